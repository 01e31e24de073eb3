import type { QueueView } from "../../../inspect/api.ts";
import { formatAddress } from "../hex.ts";
import type { RingLayout } from "../rings/layout.ts";
import { legendOf } from "../rings/legend.ts";

/** The rings from the outside inwards: where each is in memory, where the two are in it, and what they want to be told. */
export function RingsLegend({ view, rings }: { view: QueueView; rings: readonly RingLayout[] }) {
  return (
    <ol class="rings-legend">
      {legendOf(view, rings).map(({ title, address, about, marks, wishes }, at) => (
        <li key={at}>
          <span class="rings-title">{title}</span>
          <span class="rings-address">{address === undefined ? "" : formatAddress(address)}</span>
          {about !== undefined && <span class="rings-about">{about}</span>}
          {marks.map(({ who, name, value, means }) => (
            <span key={`${who} ${means}`} class="rings-mark" data-who={who} title={`The ${who}'s ${means}`}>
              {name} {value}
            </span>
          ))}
          {wishes.map(({ who, words, means }) => (
            <span key={words} class="rings-wish" title={means}>
              {who} asks for {words}
            </span>
          ))}
        </li>
      ))}
    </ol>
  );
}
