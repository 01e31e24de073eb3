import { useState } from "preact/hooks";
import { formatBytes } from "../../format.ts";
import type { BufferShown, ChainShown } from "../chain-shown.ts";
import { formatAddress } from "../hex.ts";
import type { Inspection } from "../model.ts";
import { colourOf } from "../rings/layout.ts";
import { BufferPanel } from "./buffer-panel.tsx";

/** A chain's buffers; one of them opens as bytes. */
export function ChainPanel({ chain, live }: { chain: ChainShown | undefined; live: Inspection | undefined }) {
  const [opened, setOpened] = useState<{ of: string; at: number } | undefined>(undefined);
  if (!chain)
    return (
      <section class="chain" aria-label="Chain">
        <p class="inspector-hint">
          {live
            ? "Select a chain in the rings, or a crossing of a request: here are its buffers then."
            : "Select a crossing of a request: here are its buffers then."}
        </p>
      </section>
    );
  const of = `${chain.place.device} ${chain.place.queue} ${chain.head}`;
  const at = opened?.of === of && opened.at < chain.buffers.length ? opened.at : undefined;
  return (
    <section class="chain" aria-label="Chain" data-chain={colourOf(chain.head)}>
      <h3 class="chain-title">
        Chain {chain.head} <span class="chain-state">{chain.state}</span>
      </h3>
      {chain.fault !== undefined && <p class="chain-fault">{chain.fault}</p>}
      <ol class="buffers" aria-label="Buffers">
        {chain.buffers.map((buffer, index) => (
          <li key={index}>
            <button
              type="button"
              class="buffer"
              aria-expanded={index === at}
              aria-controls="buffer"
              onClick={() => setOpened(index === at ? undefined : { of, at: index })}
            >
              <span class="buffer-address">{formatAddress(buffer.address)}</span>
              <span class="buffer-length">{buffer.length.toLocaleString("en")} B</span>
              <span class="buffer-way">{wayOf(buffer)}</span>
            </button>
          </li>
        ))}
      </ol>
      {chain.missing > 0 && (
        <p class="inspector-hint">
          {formatBytes(chain.missing)} more are in buffers that the trace has not kept.
        </p>
      )}
      <div id="buffer">
        {at !== undefined && <BufferPanel key={`${of} ${at}`} chain={chain} at={at} live={live} />}
      </div>
    </section>
  );
}

function wayOf({ writable }: BufferShown): string {
  return writable ? "device writes" : "device reads";
}
