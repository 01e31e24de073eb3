import type { GuestMemory } from "../memory.ts";
import type { RingPlace, RingState } from "../ring/ring.ts";
import { Descriptor, Packed } from "../spec.ts";
import { type Budget, ChainWalk, descriptorFlags } from "./chain-walk.ts";
import type { ChainView, PackedQueueView } from "./types.ts";

const PACKED_FLAGS = descriptorFlags([
  ["AVAIL", Packed.AVAIL],
  ["USED", Packed.USED],
]);

const BOTH = Packed.AVAIL | Packed.USED;

/** The ring and the two event suppression structures of a packed queue as they are in memory (2.8). */
export function packedView(ring: RingState, view: DataView): PackedQueueView {
  const { layout, next, used } = ring;
  const { size, descriptors } = layout;
  const start = Number(descriptors);
  const taken = outstanding(ring);
  return {
    layout: "packed",
    ring: {
      address: descriptors,
      entries: Array.from({ length: size }, (_, i) => {
        const at = start + Descriptor.BYTES * i;
        const flags = view.getUint16(at + 14, true);
        const isTaken = (i - used.index + size) % size < taken;
        return {
          address: view.getBigUint64(at, true),
          length: view.getUint32(at + 8, true),
          id: view.getUint16(at + 12, true),
          flags,
          flagNames: PACKED_FLAGS(flags),
          owner: isTaken || isAvailable(flags, i < next.index ? !next.wrap : next.wrap) ? "device" : "driver",
        };
      }),
    },
    nextAvailable: { offset: next.index, wrap: next.wrap },
    nextUsed: { offset: used.index, wrap: used.wrap },
    driverEvent: eventView(layout.available, view),
    deviceEvent: eventView(layout.used, view),
  };
}

/** 2.8.14 */
function eventView(address: bigint, view: DataView): PackedQueueView["driverEvent"] {
  const place = view.getUint16(Number(address), true);
  const flags = view.getUint16(Number(address) + 2, true);
  return { address, flags, offset: place & 0x7fff, wrap: (place & 0x8000) !== 0 };
}

/** How many chains wait. */
export function packedWaiting(ring: RingState): number {
  let count = 0;
  walkAll(ring, (place, free) => {
    count++;
    return entriesOf(ring, place, free);
  });
  return count;
}

/** The chains that wait, in the order in which the device will take them. Behind a broken one nobody knows where one begins. */
export function packedChains(ring: RingState, budget: Budget): ChainView[] {
  const chains: ChainView[] = [];
  walkAll(ring, (place, free) => {
    const walk = packedWalk(ring, place, free, budget);
    const { head } = walk;
    chains.push({ head, state: "available", ...walk.result });
    return walk.fault === undefined ? walk.descriptors.length : 0;
  });
  return chains;
}

/** Calls `visit` with the place of each chain that waits and the descriptors that are free for it; 0 as the answer ends it. */
function walkAll(ring: RingState, visit: (place: RingPlace, free: number) => number): void {
  const { memory, layout, next } = ring;
  let place = next;
  let free = layout.size - outstanding(ring);
  while (free > 0 && isAvailable(flagsAt(memory, layout.descriptors, place.index), place.wrap)) {
    const entries = visit(place, free);
    if (entries === 0) return;
    free -= entries;
    place = advance(place, entries, layout.size);
  }
}

/** Descriptors that were taken and for which no used one stands yet: from the next used place to the next available one. */
function outstanding({ layout: { size }, next, used }: RingState): number {
  return next.index - used.index + (next.wrap === used.wrap ? 0 : size);
}

/** Entries that a chain takes up, as far as its flags say. */
function entriesOf({ memory, layout }: RingState, place: RingPlace, free: number): number {
  for (let entries = 1; ; entries++) {
    const at = advance(place, entries - 1, layout.size);
    const flags = flagsAt(memory, layout.descriptors, at.index);
    if (!(flags & Descriptor.NEXT)) return entries;
    if (entries >= free) return 0;
  }
}

class PackedWalk extends ChainWalk {
  /** The buffer id, which is in the last descriptor of a list. */
  head = 0;
}

/** Follows the chain at `place` as the device does (2.8.6, 2.8.7). */
function packedWalk(
  { memory, layout }: RingState,
  start: RingPlace,
  free: number,
  budget: Budget,
): PackedWalk {
  const walk = new PackedWalk(memory, layout, budget);
  const { descriptor } = walk;
  let place = start;
  for (let entries = 1; ; entries++) {
    const { index } = place;
    if (!walk.mayVisit(layout.size)) return walk;
    walk.load(Number(layout.descriptors) + Descriptor.BYTES * index);
    const flags = descriptor.fourth;
    if (entries > 1 && !isAvailable(flags, place.wrap))
      return walk.fail(`Descriptor ${index} goes on a list and is not available (2.8.17).`);
    walk.descriptors.push(index);
    walk.head = descriptor.third;
    if (flags & Descriptor.INDIRECT) {
      if (entries > 1 || flags & Descriptor.NEXT)
        return walk.fail(`Descriptor ${index} is indirect and in a list, which it must not be (2.8.19).`);
      return packedTable(walk, index);
    }
    if (!walk.add(`Descriptor ${index}`, (flags & Descriptor.WRITE) !== 0)) return walk;
    if (!(flags & Descriptor.NEXT)) return walk;
    if (entries >= free)
      return walk.fail(
        `The list from descriptor ${start.index} on is longer than the ${free} that are free.`,
      );
    place = advance(place, 1, layout.size);
  }
}

/** All of an indirect table is the chain (2.8.7). */
function packedTable(walk: PackedWalk, which: number): PackedWalk {
  const { descriptor } = walk;
  if (!walk.mayFollow(`Descriptor ${which}`)) return walk;
  const { address: start, length } = descriptor;
  for (let at = start; at < start + length; at += Descriptor.BYTES) {
    if (!walk.mayVisit(walk.maximumChain)) return walk;
    walk.load(at);
    const entry = (at - start) / Descriptor.BYTES;
    const writable = (descriptor.fourth & Descriptor.WRITE) !== 0;
    if (!walk.add(`Entry ${entry} of the indirect table`, writable)) return walk;
  }
  return walk;
}

/** 2.8.1: available in the lap with that wrap counter. */
function isAvailable(flags: number, wrap: boolean): boolean {
  return (flags & BOTH) === (wrap ? Packed.AVAIL : Packed.USED);
}

function advance({ index, wrap }: RingPlace, entries: number, size: number): RingPlace {
  const sum = index + entries;
  return sum < size ? { index: sum, wrap } : { index: sum - size, wrap: !wrap };
}

function flagsAt(memory: GuestMemory, ring: bigint, index: number): number {
  return memory.u16[((Number(ring) + Descriptor.BYTES * index) >> 1) + 7]!;
}
