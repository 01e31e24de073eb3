import type { Placement, Segment } from "../unit/driver/queue.ts";
import type { GuardMemory } from "./guard-memory.ts";

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;
const AVAIL = 1 << 7;
const USED = 1 << 15;

/** Where indirect tables are built: the end of the first half of memory, in turn. */
const TABLES = { start: 0xc000, end: 0x10000 };

export interface Areas {
  descriptors: number;
  available: number;
  used: number;
}

/**
 * A driver's side of a ring that puts anything into it: well-formed chains with what the input spoils of them, and any field.
 * It takes no notice of what the device has used.
 */
export class RingWriter {
  readonly size: number;
  readonly areas: Areas;
  readonly #memory: GuardMemory;
  readonly #packed: boolean;
  /** The descriptor to use next; in a packed ring the lap changes with it. */
  #next = 0;
  #wrap = true;
  #available = 0;
  #table = TABLES.start;

  constructor(memory: GuardMemory, size: number, areas: Areas, packed: boolean) {
    this.#memory = memory;
    this.size = Math.max(1, size);
    this.areas = areas;
    this.#packed = packed;
  }

  /** Makes a chain available. `spoil` is put over the flags of its last descriptor: for a well-formed chain it is 0. */
  add(segments: readonly Segment[], placement: Placement, spoil: number): void {
    if (segments.length === 0) return;
    const direct =
      placement === "direct" ? segments : placement === "mixed" && !this.#packed ? segments.slice(0, 1) : [];
    const indirect = segments.slice(direct.length);
    const head = this.#next;
    const last = direct.length + (indirect.length > 0 ? 1 : 0) - 1;
    direct.forEach((segment, i) => {
      const flags = (segment.writable ? WRITE : 0) | (i < last ? NEXT : 0);
      this.#place(segment.address, segment.length, i === last ? flags ^ spoil : flags);
    });
    if (indirect.length > 0) {
      const table = this.#makeTable(indirect, placement === "unaligned-indirect" ? 1 : 0, spoil);
      this.#place(table, 16 * indirect.length, INDIRECT ^ (spoil >>> 8));
    }
    if (!this.#packed) this.push(head);
  }

  /** Makes a split ring's chain available. */
  push(head: number): void {
    if (this.#packed) return;
    this.set(this.areas.available + 4 + 2 * (this.#available % this.size), 2, head);
    this.#available = (this.#available + 1) & 0xffff;
    this.set(this.areas.available + 2, 2, this.#available);
  }

  /** Any field of the ring, by number. */
  poke(field: number, value: number): void {
    const { descriptors, available } = this.areas;
    const index = (value >>> 16) % this.size;
    switch (field % 6) {
      case 0: // avail.flags, or the driver's event
        this.set(available, 2, value);
        break;
      case 1: // avail.idx, or the event's flags
        if (this.#packed) this.set(available + 2, 2, value & 3);
        else this.set(available + 2, 2, (this.#available += (value << 24) >> 24));
        break;
      case 2: // avail.ring
        this.set(available + 4 + 2 * index, 2, value);
        break;
      case 3: // used_event
        this.set(available + 4 + 2 * this.size, 2, value);
        break;
      case 4: // a descriptor's flags
        this.set(descriptors + 16 * index + (this.#packed ? 14 : 12), 2, value);
        break;
      default: // next, or buffer id
        this.set(descriptors + 16 * index + (this.#packed ? 12 : 14), 2, value);
    }
  }

  /** Writes a whole descriptor into the ring's own table. */
  describe(index: number, address: number, length: number, flags: number, other: number): void {
    this.#describe(this.areas.descriptors + 16 * (index % this.size), address, length, flags, other);
  }

  /** Writes into memory, as far as it goes. */
  set(address: number, width: 2 | 4, value: number): void {
    if (address < 0 || address + width > this.#memory.size) return;
    if (width === 2) this.#memory.view.setUint16(address, value, true);
    else this.#memory.view.setUint32(address, value, true);
    this.#memory.wrote(address, address + width);
  }

  #place(address: number, length: number, flags: number): void {
    const index = this.#next;
    if (this.#packed) {
      this.describe(index, address, length, flags | (this.#wrap ? AVAIL : USED), index);
    } else this.describe(index, address, length, flags, (index + 1) % this.size);
    this.#next = (index + 1) % this.size;
    if (this.#next === 0) this.#wrap = !this.#wrap;
  }

  #makeTable(segments: readonly Segment[], shift: number, spoil: number): number {
    const bytes = 16 * segments.length + 16;
    if (this.#table + bytes > TABLES.end) this.#table = TABLES.start;
    const table = this.#table + shift;
    this.#table += bytes;
    segments.forEach(({ address, length, writable }, i) => {
      const last = i === segments.length - 1;
      const flags = (writable ? WRITE : 0) | (last || this.#packed ? 0 : NEXT);
      this.#describe(table + 16 * i, address, length, last ? flags ^ (spoil & 0xff) : flags, i + 1);
    });
    return table;
  }

  /** `other` is a split descriptor's next, a packed one's id. */
  #describe(at: number, address: number, length: number, flags: number, other: number): void {
    this.set(at, 4, address);
    this.set(at + 4, 4, Math.floor(address / 2 ** 32));
    this.set(at + 8, 4, length);
    this.set(at + 12, 2, this.#packed ? other : flags);
    this.set(at + 14, 2, this.#packed ? flags : other);
  }
}
