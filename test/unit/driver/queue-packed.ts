import type { FakeMemory } from "./memory.ts";
import {
  INDIRECT,
  NEXT,
  type Placement,
  type RingDriver,
  type Segment,
  type UsedElement,
  WRITE,
} from "./queue.ts";

/** Descriptor flags, 2.8.1. */
export const AVAIL = 1 << 7;
export const USED = 1 << 15;

/** Modes of an event suppression structure, 2.8.10. */
export const ENABLE = 0;
export const DISABLE = 1;
export const DESC = 2;

export interface PackedOptions {
  eventIdx: boolean;
  inOrder?: boolean;
}

/** A place in the ring: an index, and which lap (2.8.1). */
interface Place {
  index: number;
  wrap: boolean;
}

interface Outstanding {
  /** Descriptors of the ring that it takes up. */
  count: number;
  /** Bytes that the device may write. */
  writable: number;
}

/** The driver's side of a packed virtqueue (2.8), written from the specification and from nothing else. */
export class PackedDriverQueue implements RingDriver {
  readonly size: number;
  /** The descriptor ring. */
  readonly descriptors: number;
  /** Driver event suppression. */
  readonly available: number;
  /** Device event suppression. */
  readonly used: number;
  free: number;
  readonly #memory: FakeMemory;
  readonly #options: PackedOptions;
  readonly #freeIds: number[] = [];
  /** By buffer id, in the order in which they were made available. */
  readonly #outstanding = new Map<number, Outstanding>();
  #nextAvailable: Place = { index: 0, wrap: true };
  #nextUsed: Place = { index: 0, wrap: true };
  /** Where the flags stand that hide everything added since the last `expose`, and what they will be. */
  #hidden: { place: Place; flags: number } | undefined;
  /** Descriptors added since the last `expose`. */
  #added = 0;

  constructor(memory: FakeMemory, size: number, options: PackedOptions) {
    this.#memory = memory;
    this.#options = options;
    this.size = size;
    this.free = size;
    this.descriptors = memory.allocate(16 * size, 16);
    this.available = memory.allocate(4, 4);
    this.used = memory.allocate(4, 4);
    // Ids mean nothing to the device: large ones, so that none is an index by chance.
    for (let i = 0; i < size; i++) this.#freeIds.push(0xffff - i);
  }

  /** next_off and next_wrap, 2.9. */
  get next(): number {
    return word(this.#nextAvailable);
  }

  /** Where the next used descriptor is expected, as an event names it. */
  get nextUsed(): number {
    return word(this.#nextUsed);
  }

  /** Flags of the descriptor at `index`. */
  flags(index: number): number {
    return this.#memory.view.getUint16(this.descriptors + 16 * index + 14, true);
  }

  setFlags(index: number, flags: number): void {
    this.#memory.view.setUint16(this.descriptors + 16 * index + 14, flags, true);
  }

  /** What the device wants, 2.8.14: its mode, and offset and wrap counter. */
  get deviceEvent(): { mode: number; desc: number } {
    const { view } = this.#memory;
    return { mode: view.getUint16(this.used + 2, true), desc: view.getUint16(this.used, true) };
  }

  /** What this driver wants. */
  setDriverEvent(mode: number, desc = 0): void {
    this.#memory.view.setUint16(this.available, desc, true);
    this.#memory.view.setUint16(this.available + 2, mode, true);
  }

  /** Writes one descriptor (2.8.13) into the ring or any table. */
  describe(table: number, index: number, address: number, length: number, id: number, flags: number): void {
    const at = table + 16 * index;
    const { view } = this.#memory;
    view.setBigUint64(at, BigInt(address), true);
    view.setUint32(at + 8, length, true);
    view.setUint16(at + 12, id, true);
    view.setUint16(at + 14, flags, true);
  }

  /** AVAIL and USED of a descriptor that is made available at the place where the next one goes. */
  get availableFlags(): number {
    return this.#nextAvailable.wrap ? AVAIL : USED;
  }

  /** Puts a buffer into the ring; not visible before `expose`. Returns its id. */
  add(segments: readonly Segment[], placement: Placement = "direct"): number {
    const direct = placement === "direct";
    const count = direct ? segments.length : 1;
    const id = this.#options.inOrder ? this.#freeIds.shift() : this.#freeIds.pop();
    if (id === undefined || count > this.free) throw new RangeError("the test's queue is full");
    if (direct) {
      segments.forEach(({ address, length, writable }, i) => {
        const last = i === segments.length - 1;
        // Only the last descriptor's id counts (2.8.6).
        this.#place(address, length, last ? id : 0x5a5a, (writable ? WRITE : 0) | (last ? 0 : NEXT));
      });
    } else {
      const table = this.#indirectTable(segments, placement === "unaligned-indirect");
      this.#place(table, 16 * segments.length, id, INDIRECT);
    }
    const writable = segments.reduce((sum, segment) => sum + (segment.writable ? segment.length : 0), 0);
    this.#outstanding.set(id, { count, writable });
    this.free -= count;
    return id;
  }

  /** Writes a descriptor at the next place, and moves on. */
  #place(address: number, length: number, id: number, flags: number): void {
    const { index } = this.#nextAvailable;
    const final = flags | this.availableFlags;
    if (this.#hidden) this.describe(this.descriptors, index, address, length, id, final);
    else {
      this.describe(this.descriptors, index, address, length, id, this.flags(index));
      this.#hidden = { place: { ...this.#nextAvailable }, flags: final };
    }
    this.#advance(this.#nextAvailable, 1);
    this.#added++;
  }

  expose(): boolean {
    if (!this.#hidden) return false;
    const { place, flags } = this.#hidden;
    this.setFlags(place.index, flags);
    this.#hidden = undefined;
    const added = this.#added;
    this.#added = 0;
    const { mode, desc } = this.deviceEvent;
    if (mode === DISABLE) return false;
    if (mode === ENABLE) return true;
    if (mode !== DESC || !this.#options.eventIdx)
      throw new Error(`the device asks for kicks in mode ${mode}`);
    const at = { ...place };
    for (let i = 0; i < added; i++) {
      if (word(at) === desc) return true;
      this.#advance(at, 1);
    }
    return false;
  }

  reap(): UsedElement[] {
    const elements: UsedElement[] = [];
    for (;;) {
      const { index, wrap } = this.#nextUsed;
      const flags = this.flags(index);
      const wanted = wrap ? AVAIL | USED : 0;
      if (this.#outstanding.size === 0 || (flags & (AVAIL | USED)) !== wanted) return elements;
      const { view } = this.#memory;
      const at = this.descriptors + 16 * index;
      const id = view.getUint16(at + 12, true);
      // 2.8.4: without the write flag the length is reserved.
      const length = flags & WRITE ? view.getUint32(at + 8, true) : 0;
      this.#used(id, length, elements);
    }
  }

  rearm(): void {
    if (this.#options.eventIdx) this.setDriverEvent(DESC, this.nextUsed);
    else this.setDriverEvent(ENABLE);
  }

  #used(id: number, length: number, elements: UsedElement[]): void {
    if (!this.#outstanding.has(id)) throw new Error(`the device used buffer ${id}, which it does not have`);
    if (this.#options.inOrder) {
      // 2.8.8: one used descriptor may stand for a batch, whose earlier buffers were used completely.
      for (const [older, { writable }] of this.#outstanding) {
        if (older === id) break;
        this.#free(older, writable, elements);
      }
    }
    this.#free(id, length, elements);
  }

  #free(id: number, length: number, elements: UsedElement[]): void {
    const { count } = this.#outstanding.get(id)!;
    this.#outstanding.delete(id);
    this.#freeIds.push(id);
    this.free += count;
    this.#advance(this.#nextUsed, count);
    elements.push({ id, length });
  }

  #advance(place: Place, count: number): void {
    place.index += count;
    if (place.index < this.size) return;
    place.index -= this.size;
    place.wrap = !place.wrap;
  }

  #indirectTable(segments: readonly Segment[], unaligned: boolean): number {
    const table = this.#memory.allocate(16 * segments.length + 1, 16) + (unaligned ? 1 : 0);
    segments.forEach(({ address, length, writable }, i) => {
      // 2.8.7: the id is reserved there, and WRITE the only flag.
      this.describe(table, i, address, length, 0x5a5a, writable ? WRITE : 0);
    });
    return table;
  }
}

function word({ index, wrap }: Place): number {
  return index | (wrap ? 0x8000 : 0);
}
