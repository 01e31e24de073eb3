import type { QueueView } from "../../../inspect/api.ts";
import { formatAddress } from "../hex.ts";
import type { RingLayout } from "./layout.ts";

/** An entry of a ring in words; for a person who moves over it, and for those who do not see the rings. */
export function entryWords(view: QueueView, ring: RingLayout, at: number): string {
  const owner = ring.owners[at] ?? -1;
  const chain = owner >= 0 ? `, chain ${owner}` : "";
  return `${ring.title}, entry ${at}${chain}: ${content(view, ring.id, at)}`;
}

function content(view: QueueView, id: RingLayout["id"], at: number): string {
  if (view.layout === "packed") {
    const entry = view.ring.entries[at];
    if (!entry) return "not there";
    const owner = entry.owner === "device" ? "the device's" : "the driver's";
    return `${descriptor(entry)}, buffer ID ${entry.id}, ${owner}`;
  }
  if (id === "descriptors") {
    const entry = view.descriptorTable.entries[at];
    if (!entry) return "not there";
    return entry.flagNames.includes("NEXT") ? `${descriptor(entry)}, next ${entry.next}` : descriptor(entry);
  }
  if (id === "available") {
    const head = view.available.ring[at];
    return head === undefined ? "not there" : `head ${head}`;
  }
  const element = view.used.ring[at];
  return element ? `head ${element.id}, ${element.len} bytes written` : "not there";
}

function descriptor({
  address,
  length,
  flagNames,
}: {
  address: bigint;
  length: number;
  flagNames: string[];
}): string {
  return `${formatAddress(address)}, ${length} bytes${flagNames.length > 0 ? `, ${flagNames.join(" ")}` : ""}`;
}

/** A ring in one sentence. */
export function ringWords(ring: RingLayout): string {
  const count = (state: string): number =>
    ring.runs.reduce((sum, run) => sum + (run.state === state ? run.count : 0), 0);
  const parts = [
    [count("waiting"), "wait for the device"],
    [count("taken"), "taken by it"],
    [count("used"), "lately used"],
    [count("set"), "set"],
  ] as const;
  const said = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  const marks = ring.marks.map(
    ({ who, name, value }) => `the ${who} ${name === who ? "is" : name} at ${value}`,
  );
  return `${ring.title}, ${ring.size} entries: ${[...said, ...marks].join(", ") || "nothing in it"}.`;
}
