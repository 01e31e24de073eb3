import type { ChainView, PackedQueueView, QueueView, SplitQueueView } from "../../../inspect/api.ts";

/** What an entry of a ring is, besides whose chain it belongs to. */
export type EntryState =
  /** Nobody's business now. */
  | "free"
  /** Waits for the device. */
  | "waiting"
  /** The device has taken it and not given it back. */
  | "taken"
  /** Given back; of these the newest are shown. */
  | "used"
  /** A bit of a packed ring that is set. */
  | "set";

/** Neighbouring entries that look the same. */
export interface Run {
  from: number;
  count: number;
  state: EntryState;
  /** Head of the chain; undefined for a set bit. */
  chain: number | undefined;
}

/** Where somebody is in a ring. */
export interface Mark {
  who: "driver" | "device";
  /** Who, in a word or two. */
  name: string;
  /** The entry: always less than the ring's size. */
  at: number;
  /** As it stands in memory or in the device: free-running, or with its wrap counter. */
  value: string;
  /** What it means, as the end of "the driver's …". */
  means: string;
}

export interface RingLayout {
  id: "descriptors" | "available" | "used" | "packed" | "avail-bits" | "used-bits";
  title: string;
  size: number;
  runs: Run[];
  marks: Mark[];
  /** The chain of each entry, or -1. */
  owners: Int32Array;
}

/** Used elements that are still shown after the driver may have seen them. */
const LATELY_USED = 8;

/** A queue's rings as they are drawn, the outermost first. Whatever the guest has written there, entries stay within their ring. */
export function layoutOf(view: QueueView): RingLayout[] {
  return view.layout === "split" ? splitLayout(view) : packedLayout(view);
}

/** Chains have one of so many colours, by their heads: a head keeps its colour. */
export const CHAIN_COLOURS = 8;

export function colourOf(head: number): number {
  return head % CHAIN_COLOURS;
}

/** The chain with a head; the one in flight when a hostile driver has made the same head available again. */
export function chainWith(view: QueueView | undefined, head: number | undefined): ChainView | undefined {
  const chains = view?.chains.filter((chain) => chain.head === head) ?? [];
  return chains.find(({ state }) => state === "in flight") ?? chains[0];
}

function splitLayout(view: SplitQueueView & { size: number; chains: ChainView[] }): RingLayout[] {
  const { size, chains, available, used } = view;
  const table = new Entries(size);
  for (const { head, state, descriptors } of chains)
    for (const at of descriptors) table.put(at, state === "available" ? "waiting" : "taken", head);

  const taken = new Set(chains.filter(({ state }) => state === "in flight").map(({ head }) => head));
  const offers = new Entries(size);
  const waiting = Math.min(size, (available.idx - available.next) & 0xffff);
  for (let i = 0; i < waiting; i++) {
    const at = (available.next + i) % size;
    offers.put(at, "waiting", available.ring[at] ?? -1);
  }
  // What was taken lately and is not back: further back than the ring is long nothing can be.
  for (let i = 1; i <= size - waiting && taken.size > 0; i++) {
    const at = (available.next - i + 0x10000) % size;
    const head = available.ring[at] ?? -1;
    if (taken.delete(head)) offers.put(at, "taken", head);
  }

  const returns = new Entries(size);
  const unseen = used.next === undefined ? 0 : (used.idx - used.next) & 0xffff;
  const lately = Math.min(size, Math.max(LATELY_USED, unseen));
  for (let i = 1; i <= lately; i++) {
    const at = (used.idx - i + 0x10000) % size;
    const element = used.ring[at];
    // In the first round there are entries that were never written.
    if (element && (i <= used.idx || element.id > 0 || element.len > 0)) returns.put(at, "used", element.id);
  }

  return [
    table.ring("descriptors", "Descriptor table", []),
    offers.ring("available", "Available ring", [
      mark("driver", available.idx, size, "index: the next entry that it fills"),
      mark("device", available.next, size, "position: the next entry that it takes"),
    ]),
    returns.ring("used", "Used ring", [
      ...(used.next === undefined
        ? []
        : [mark("driver", used.next, size, "position, as used_event tells it")]),
      mark("device", used.idx, size, "index: the next entry that it fills"),
    ]),
  ];
}

function packedLayout(view: PackedQueueView & { size: number; chains: ChainView[] }): RingLayout[] {
  const { size, chains, ring, nextAvailable, nextUsed } = view;
  const descriptors = new Entries(size);
  const available = new Entries(size);
  const used = new Entries(size);
  for (const { head, state, descriptors: places } of chains)
    for (const at of places) descriptors.put(at, state === "available" ? "waiting" : "taken", head);
  for (const [at, { flagNames }] of ring.entries.entries()) {
    if (flagNames.includes("AVAIL")) available.put(at, "set", undefined);
    if (flagNames.includes("USED")) used.put(at, "set", undefined);
  }
  return [
    descriptors.ring("packed", "Descriptor ring", [
      wrapMark("takes", nextAvailable, size, "position: the next descriptor that it takes"),
      wrapMark("returns", nextUsed, size, "position: where it writes the next used descriptor"),
    ]),
    available.ring("avail-bits", "AVAIL bits", []),
    used.ring("used-bits", "USED bits", []),
  ];
}

/** Entries of a ring, made into runs. */
class Entries {
  readonly #size: number;
  readonly #states: (EntryState | undefined)[];
  readonly #owners: Int32Array;

  constructor(size: number) {
    this.#size = size;
    this.#states = new Array<EntryState | undefined>(size);
    this.#owners = new Int32Array(size).fill(-1);
  }

  /** The first that claims an entry has it. */
  put(at: number, state: EntryState, chain: number | undefined): void {
    if (at < 0 || at >= this.#size || this.#states[at] !== undefined) return;
    this.#states[at] = state;
    this.#owners[at] = chain ?? -1;
  }

  ring(id: RingLayout["id"], title: string, marks: Mark[]): RingLayout {
    const runs: Run[] = [];
    for (let at = 0; at < this.#size; at++) {
      const state = this.#states[at];
      if (state === undefined) continue;
      const owner = this.#owners[at]!;
      const last = runs.at(-1);
      const chain = state === "set" ? undefined : owner;
      if (last && last.from + last.count === at && last.state === state && last.chain === chain) last.count++;
      else runs.push({ from: at, count: 1, state, chain });
    }
    return { id, title, size: this.#size, runs, marks, owners: this.#owners };
  }
}

function mark(who: Mark["who"], value: number, size: number, means: string): Mark {
  return { who, name: who, at: value % size, value: String(value), means };
}

function wrapMark(
  name: string,
  { offset, wrap }: { offset: number; wrap: boolean },
  size: number,
  means: string,
): Mark {
  return { who: "device", name, at: offset % size, value: `${offset}, wrap ${wrap ? 1 : 0}`, means };
}
