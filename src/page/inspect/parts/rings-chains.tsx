import type { QueueView } from "../../../inspect/api.ts";
import { faultsOf } from "../rings/faults.ts";
import { colourOf } from "../rings/layout.ts";

/** As many as are worth reading; the rings show all. */
const LISTED = 16;

export interface ChainsProps {
  view: QueueView;
  chain: number | undefined;
  onChain: (head: number | undefined) => void;
}

/** The chains that wait or are in flight, as buttons. */
export function RingsChains({ view, chain, onChain }: ChainsProps) {
  const { chains } = view;
  const listed = chains.slice(0, LISTED);
  const selected = chains.find(({ head }) => head === chain);
  if (selected && !listed.includes(selected)) listed[LISTED - 1] = selected;
  return (
    <section class="chains" aria-label="Chains">
      <h3 class="panel-title">
        Chains <span class="chains-count">{chains.length}</span>
      </h3>
      <ul class="chains-list">
        {/* Places rather than chains: one that is taken moves none of the others. */}
        {listed.map(({ head, state, buffers, fault }, place) => (
          <li key={place}>
            <button
              type="button"
              class="chain-chip"
              data-chain={colourOf(head)}
              data-state={state}
              data-fault={fault !== undefined}
              aria-pressed={head === chain}
              title={fault ?? `Chain ${head}: ${state}, ${buffers.length} buffers`}
              onClick={() => onChain(head === chain ? undefined : head)}
            >
              {head}
              <span class="unseen">
                , {state}, {buffers.length} buffers{fault ? `, ${fault}` : ""}
              </span>
            </button>
          </li>
        ))}
        {chains.length === 0 && <li class="chains-none">None waits and none is in flight.</li>}
        {chains.length > listed.length && (
          <li class="chains-none">and {chains.length - listed.length} more</li>
        )}
      </ul>
      {faultsOf(view).map((fault) => (
        <p key={fault} class="chain-fault">
          {fault}
        </p>
      ))}
    </section>
  );
}
