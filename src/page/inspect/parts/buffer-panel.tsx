import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import { type BufferBytes, decoded, keptBytes, memoryBytes } from "../buffer-bytes.ts";
import type { ChainShown } from "../chain-shown.ts";
import { formatAddress, hexRows } from "../hex.ts";
import type { Inspection } from "../model.ts";
import { BufferMeaning } from "./buffer-meaning.tsx";

/** What a row of 16 bytes takes, in the page's font size. */
const WIDE_REM = 32;

export interface BufferProps {
  chain: ChainShown;
  /** Which of its buffers. */
  at: number;
  live: Inspection | undefined;
}

/** A buffer's bytes: as they were when they crossed the line, or as they are in the guest's memory. */
export function BufferPanel({ chain, at, live }: BufferProps) {
  const { address, length } = chain.buffers[at]!;
  const kept = keptBytes(chain, at);
  const [now, setNow] = useState<BufferBytes | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const place = useRef<HTMLDivElement>(null);
  const perRow = usePerRow(place);
  const read = async (): Promise<void> => {
    if (!live) return;
    try {
      setNow(await memoryBytes(chain, at, (from, count) => live.memory(from, count)));
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  // What the trace has not kept is in memory, if anywhere.
  useEffect(() => {
    if (!kept) void read();
  }, []);
  const shown = now ?? kept;
  return (
    <section class="buffer-panel" aria-label={`Buffer at ${formatAddress(address)}`} ref={place}>
      <p class="buffer-source">
        <span>{sourceOf(shown, length, live !== undefined)}</span>
        {live && <Button label={now ? "Read again" : "Read memory now"} onClick={() => void read()} />}
      </p>
      {problem !== undefined && <p class="chain-fault">{problem}</p>}
      {shown && (
        <>
          <BufferMeaning layers={decoded(chain, at, shown)} />
          <pre class="buffer-bytes" tabIndex={0} role="group" aria-label="Bytes">
            {hexRows(shown.bytes, perRow)}
          </pre>
        </>
      )}
    </section>
  );
}

function sourceOf(shown: BufferBytes | undefined, length: number, live: boolean): string {
  if (!shown) return live ? "" : "The trace has kept none of its bytes.";
  const count = shown.bytes.length;
  const part = count < length ? `The first ${count} of ${length} bytes` : `All ${length} bytes`;
  return `${part}, ${shown.now ? "as guest memory had them when they were read" : "as they were when they crossed the line"}.`;
}

/** 16 bytes in a row where there is room, else 8. */
function usePerRow(place: { current: HTMLElement | null }): number {
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
      setWide((entry?.contentRect.width ?? 0) >= WIDE_REM * rem);
    });
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  return wide ? 16 : 8;
}
