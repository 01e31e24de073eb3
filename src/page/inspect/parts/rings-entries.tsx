import { useState } from "preact/hooks";
import type { QueueView } from "../../../inspect/api.ts";
import { entryWords } from "../rings/entry-words.ts";
import type { RingLayout } from "../rings/layout.ts";

/** Entries on each side of the device's position. */
const AROUND = 6;

/** The rings as text: the entries around the device's position, or the first ones. */
export function RingsEntries({ view, rings }: { view: QueueView; rings: readonly RingLayout[] }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="entries" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>Entries as text</summary>
      {open &&
        rings.map((ring) => (
          <section key={ring.id} class="entries-ring" aria-label={ring.title}>
            <ul>
              {window(ring).map((at) => (
                <li key={at}>{entryWords(view, ring, at)}</li>
              ))}
            </ul>
          </section>
        ))}
    </details>
  );
}

/** The entries in use come first where there is no position: the descriptor table has none. */
function window({ size, marks, runs }: RingLayout): number[] {
  const count = Math.min(size, 2 * AROUND);
  const middle = marks.find(({ who }) => who === "device")?.at;
  const first = middle === undefined ? (runs[0]?.from ?? 0) : middle - AROUND + size;
  return Array.from({ length: count }, (_, at) => (first + at) % size);
}
