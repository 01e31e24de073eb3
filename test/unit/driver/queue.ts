import type { FakeMemory } from "./memory.ts";

/** One element of a buffer, as a driver describes it (virtio 1.3, 2.7.13.1). */
export interface Segment {
  address: number;
  length: number;
  writable?: boolean;
}

/**
 * Where a chain's descriptors lie: in the queue's own table or ring, in an indirect table, or the first in one and the rest
 * in the other (which a packed ring does not allow: all in a table then).
 */
export type Placement = "direct" | "indirect" | "unaligned-indirect" | "mixed";

export interface UsedElement {
  id: number;
  length: number;
}

/** A driver's side of a virtqueue, whatever its layout. */
export interface RingDriver {
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  /** Descriptors of the queue that are not in use. */
  readonly free: number;
  /** What VIRTIO_F_NOTIFICATION_DATA adds to a notification: next_off, next_wrap as bit 15 (2.9). */
  readonly next: number;
  /** Makes a chain; not visible before `expose`. Returns what the device will call it when it gives it back. */
  add(segments: readonly Segment[], placement?: Placement): number;
  /** Lets the device see what was added; true when it wants to be told. */
  expose(): boolean;
  /** Takes what is newly used, and frees its descriptors. */
  reap(): UsedElement[];
  /** Asks for an interrupt when the next one is used. */
  rearm(): void;
}

/** Descriptor flags, 2.7.5. */
export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

/** The driver's side of a split virtqueue (2.7), written from the specification and from nothing else. */
export class DriverQueue implements RingDriver {
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  readonly #memory: FakeMemory;
  readonly #eventIdx: boolean;
  readonly #inOrder: boolean;
  readonly #free: number[] = [];
  /** By head, in the order in which they were made available: descriptors in the queue's table, and writable bytes. */
  readonly #occupied = new Map<number, { own: number[]; writable: number }>();
  #nextAvailable = 0;
  /** avail.idx at the last look at whether to kick. */
  #kicked = 0;
  #lastUsed = 0;

  /** @param align for legacy drivers: the queue lies in one piece, its used ring at a multiple of this many bytes (2.7.2). */
  constructor(memory: FakeMemory, size: number, eventIdx: boolean, inOrder = false, align?: number) {
    this.#memory = memory;
    this.#eventIdx = eventIdx;
    this.#inOrder = inOrder;
    this.size = size;
    const [descriptors, available, used] = [16 * size, 6 + 2 * size, 6 + 8 * size];
    if (align === undefined) {
      this.descriptors = memory.allocate(descriptors, 16);
      this.available = memory.allocate(available, 2);
      this.used = memory.allocate(used, 4);
    } else {
      const first = Math.ceil((descriptors + available) / align) * align;
      this.descriptors = memory.allocate(first + used, align);
      this.available = this.descriptors + descriptors;
      this.used = this.descriptors + first;
    }
    for (let i = size - 1; i >= 0; i--) this.#free.push(i);
    if (inOrder) this.#free.reverse();
  }

  get free(): number {
    return this.#free.length;
  }

  get next(): number {
    return this.#nextAvailable;
  }

  get availableIndex(): number {
    return this.#memory.view.getUint16(this.available + 2, true);
  }

  get usedIndex(): number {
    return this.#memory.view.getUint16(this.used + 2, true);
  }

  get usedFlags(): number {
    return this.#memory.view.getUint16(this.used, true);
  }

  /** What the device wrote behind the used ring (2.7.8). */
  get availEvent(): number {
    return this.#memory.view.getUint16(this.used + 4 + 8 * this.size, true);
  }

  /** 2.7.7: the device interrupts when it writes the used entry with this index. */
  set usedEvent(index: number) {
    this.#memory.view.setUint16(this.available + 4 + 2 * this.size, index, true);
  }

  /** VIRTQ_AVAIL_F_NO_INTERRUPT, 2.7.6. */
  set noInterrupt(on: boolean) {
    this.#memory.view.setUint16(this.available, on ? 1 : 0, true);
  }

  /** Writes one descriptor into any table. */
  describe(table: number, index: number, address: number, length: number, flags: number, next: number): void {
    const at = table + 16 * index;
    this.#memory.view.setBigUint64(at, BigInt(address), true);
    this.#memory.view.setUint32(at + 8, length, true);
    this.#memory.view.setUint16(at + 12, flags, true);
    this.#memory.view.setUint16(at + 14, next, true);
  }

  /** Makes a chain and puts its head into the ring. Returns the head. */
  add(segments: readonly Segment[], placement: Placement = "direct"): number {
    const direct = placement === "direct" ? segments : placement === "mixed" ? segments.slice(0, 1) : [];
    const indirect = segments.slice(direct.length);
    const own = this.#take(direct.length + (indirect.length > 0 ? 1 : 0));
    direct.forEach(({ address, length, writable }, i) => {
      const next = own[i + 1];
      const flags = (writable ? WRITE : 0) | (next === undefined ? 0 : NEXT);
      this.describe(this.descriptors, own[i]!, address, length, flags, next ?? 0);
    });
    if (indirect.length > 0) {
      const table = this.#indirectTable(indirect, placement === "unaligned-indirect");
      this.describe(this.descriptors, own.at(-1)!, table, 16 * indirect.length, INDIRECT, 0);
    }
    const head = own[0]!;
    const writable = segments.reduce((sum, segment) => sum + (segment.writable ? segment.length : 0), 0);
    this.#occupied.set(head, { own, writable });
    this.push(head);
    return head;
  }

  /** Puts any number into the next entry of the available ring. */
  push(head: number): void {
    const entry = this.available + 4 + 2 * (this.#nextAvailable % this.size);
    this.#memory.view.setUint16(entry, head, true);
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
  }

  /** 2.7.10 */
  expose(): boolean {
    const before = this.#kicked;
    const after = this.#nextAvailable;
    this.#memory.view.setUint16(this.available + 2, after, true);
    this.#kicked = after;
    if (before === after) return false;
    if (!this.#eventIdx) return (this.usedFlags & 1) === 0;
    // "If the idx field in the available ring was equal to avail_event": for any of the entries just written.
    for (let index = before; index !== after; index = (index + 1) & 0xffff) {
      if (index === this.availEvent) return true;
    }
    return false;
  }

  reap(): UsedElement[] {
    const elements: UsedElement[] = [];
    const { view } = this.#memory;
    while (this.#lastUsed !== this.usedIndex) {
      const at = this.used + 4 + 8 * (this.#lastUsed % this.size);
      const id = view.getUint32(at, true);
      if (this.#inOrder) this.#skipBatch(id, elements);
      this.#finish({ id, length: view.getUint32(at + 4, true) }, elements);
    }
    return elements;
  }

  /** 2.7.9: one element may stand for a batch that ends with it; the earlier ones were used completely. */
  #skipBatch(id: number, elements: UsedElement[]): void {
    if (!this.#occupied.has(id)) throw new Error(`the device used chain ${id}, which it does not have`);
    for (const [older, { writable }] of this.#occupied) {
      if (older === id) return;
      this.#finish({ id: older, length: writable }, elements);
    }
  }

  #finish(element: UsedElement, elements: UsedElement[]): void {
    elements.push(element);
    this.#free.push(...(this.#occupied.get(element.id)?.own ?? []));
    this.#occupied.delete(element.id);
    this.#lastUsed = (this.#lastUsed + 1) & 0xffff;
  }

  rearm(): void {
    this.usedEvent = this.usedIndex;
  }

  #take(count: number): number[] {
    if (count > this.#free.length) throw new RangeError("the test's queue is full");
    // 2.7.5: in order from the table's first descriptor to its last, and round.
    if (this.#inOrder) return this.#free.splice(0, count);
    return this.#free.splice(this.#free.length - count, count);
  }

  #indirectTable(segments: readonly Segment[], unaligned: boolean): number {
    const table = this.#memory.allocate(16 * segments.length + 1, 16) + (unaligned ? 1 : 0);
    segments.forEach(({ address, length, writable }, i) => {
      const last = i === segments.length - 1;
      this.describe(table, i, address, length, (writable ? WRITE : 0) | (last ? 0 : NEXT), i + 1);
    });
    return table;
  }
}
