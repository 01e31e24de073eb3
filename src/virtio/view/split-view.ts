import type { RingState } from "../ring/ring.ts";
import { Descriptor } from "../spec.ts";
import { ChainWalk, type Budget, descriptorFlags } from "./chain-walk.ts";
import type { ChainView, SplitQueueView } from "./types.ts";

const SPLIT_FLAGS = descriptorFlags([]);

/** The three areas of a split queue as they are in memory (2.7). That they lie in it was checked when it was enabled. */
export function splitView({ layout, next }: RingState, view: DataView): SplitQueueView {
  const { size, features } = layout;
  const [table, available, used] = areas(layout);
  const u16 = (at: number): number => view.getUint16(at, true);
  const usedEvent = features.eventIdx ? u16(available + 4 + 2 * size) : undefined;
  return {
    layout: "split",
    descriptorTable: {
      address: layout.descriptors,
      entries: Array.from({ length: size }, (_, i) => {
        const at = table + Descriptor.BYTES * i;
        const flags = u16(at + 12);
        return {
          address: view.getBigUint64(at, true),
          length: view.getUint32(at + 8, true),
          flags,
          flagNames: SPLIT_FLAGS(flags),
          next: u16(at + 14),
        };
      }),
    },
    available: {
      address: layout.available,
      flags: u16(available),
      idx: u16(available + 2),
      ring: Array.from({ length: size }, (_, i) => u16(available + 4 + 2 * i)),
      usedEvent,
      next: next.index,
    },
    used: {
      address: layout.used,
      flags: u16(used),
      idx: u16(used + 2),
      ring: Array.from({ length: size }, (_, i) => ({
        id: view.getUint32(used + 4 + 8 * i, true),
        len: view.getUint32(used + 8 + 8 * i, true),
      })),
      availEvent: features.eventIdx ? u16(used + 4 + 8 * size) : undefined,
      next: usedEvent,
    },
  };
}

/** How many chains wait. None when the driver is further ahead than there are entries: nobody knows which they are then. */
export function splitWaiting({ memory, layout, next }: RingState): number {
  const [, available] = areas(layout);
  const count = (memory.u16[available / 2 + 1]! - next.index) & 0xffff;
  return count > layout.size ? 0 : count;
}

/** The chains that wait, in the order in which the device will take them. */
export function splitChains(ring: RingState, budget: Budget): ChainView[] {
  const { memory, layout, next } = ring;
  const [, available] = areas(layout);
  return Array.from({ length: splitWaiting(ring) }, (_, i) => {
    const entry = (next.index + i) & (layout.size - 1);
    const head = memory.u16[available / 2 + 2 + entry]!;
    return { head, state: "available", ...splitWalk(ring, head, budget).result };
  });
}

/** Follows the chain from `head` as the device does (2.7.5). */
export function splitWalk({ memory, layout }: RingState, head: number, budget: Budget): ChainWalk {
  const walk = new ChainWalk(memory, layout, budget);
  const [table] = areas(layout);
  let index = head;
  for (;;) {
    if (index >= layout.size)
      return walk.fail(`Descriptor ${index} is outside the table, which has ${layout.size} entries.`);
    if (!walk.mayVisit(layout.size)) return walk;
    walk.descriptors.push(index);
    walk.load(table + Descriptor.BYTES * index);
    const { third: flags, fourth: next } = walk.descriptor;
    if (flags & Descriptor.INDIRECT) {
      if (flags & Descriptor.NEXT)
        return walk.fail(
          `Descriptor ${index} is indirect and has a next one, which it must not (2.7.5.3.1).`,
        );
      return splitTable(walk, index);
    }
    if (!walk.add(`Descriptor ${index}`, (flags & Descriptor.WRITE) !== 0)) return walk;
    if (!(flags & Descriptor.NEXT)) return walk;
    index = next;
  }
}

/** Goes on in the indirect table of the descriptor that was loaded last: the indexes are of that table. */
function splitTable(walk: ChainWalk, which: number): ChainWalk {
  const { descriptor } = walk;
  if (!walk.mayFollow(`Descriptor ${which}`)) return walk;
  const table = descriptor.address;
  const entries = descriptor.length / Descriptor.BYTES;
  for (let index = 0; ; index = descriptor.fourth) {
    if (index >= entries)
      return walk.fail(`Entry ${index} is outside the indirect table, which has ${entries}.`);
    if (!walk.mayVisit(walk.maximumChain)) return walk;
    walk.load(table + Descriptor.BYTES * index);
    const flags = descriptor.third;
    if (flags & Descriptor.INDIRECT)
      return walk.fail(`Entry ${index} of the indirect table is indirect itself (2.7.5.3.1).`);
    if (!walk.add(`Entry ${index} of the indirect table`, (flags & Descriptor.WRITE) !== 0)) return walk;
    if (!(flags & Descriptor.NEXT)) return walk;
  }
}

function areas({ descriptors, available, used }: RingState["layout"]): [number, number, number] {
  return [Number(descriptors), Number(available), Number(used)];
}
