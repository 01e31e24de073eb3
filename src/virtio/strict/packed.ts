import type { QueueAuditor } from "../queue.ts";
import { DescriptorView } from "../ring/builder.ts";
import { Descriptor, Packed, RingEvent } from "../spec.ts";
import { fingerprint } from "./buffers.ts";
import type { AuditedQueue } from "./split.ts";

const BOTH = Packed.AVAIL | Packed.USED;

/** A list of descriptors that the device has. */
interface List {
  /** In the ring. */
  entries: number;
  table: { address: number; bytes: number; fingerprint: number; descriptor: number } | undefined;
}

/** A place in the ring, and which lap it is. */
interface Place {
  index: number;
  wrap: boolean;
}

/**
 * Watches the driver's side of a packed queue (2.8), as SplitAudit does for a split one. Here the device has a stretch of
 * the ring: from where the next used descriptor goes up to where the next available one comes.
 */
export class PackedAudit implements QueueAuditor {
  readonly #queue: AuditedQueue;
  readonly #descriptor = new DescriptorView();
  /** Four words of each descriptor that the device has. */
  readonly #copy: Uint32Array;
  /** By buffer id. */
  readonly #lists = new Map<number, List>();
  #seen: Place = { index: 0, wrap: true };
  #reaped: Place = { index: 0, wrap: true };
  /** Descriptors from `reaped` up to `seen`. */
  #owned = 0;
  /** Device event suppression as the device left it. */
  #deviceEvent = 0;
  #inside = false;
  #lost = false;

  constructor(queue: AuditedQueue) {
    this.#queue = queue;
    this.#copy = new Uint32Array(4 * queue.size);
  }

  enter(): void {
    if (this.#inside) return;
    this.#inside = true;
    if (this.#lost) return;
    this.#checkEvents();
    this.#checkExposed();
    while (this.#exposeNext());
  }

  leave(): void {
    this.#inside = false;
    if (this.#lost) return;
    while (this.#releaseNext());
    this.#deviceEvent = this.#queue.memory.u32[this.#queue.used >> 2]!;
  }

  #checkEvents(): void {
    const { memory, size, available, used, eventIdx, report } = this.#queue;
    const flags = memory.u16[(available >> 1) + 1]!;
    const event = memory.u16[available >> 1]!;
    if (flags > RingEvent.DESC || (flags === RingEvent.DESC && !eventIdx)) {
      report("2.8.14 flags", `the driver's event flags are 0x${flags.toString(16)}`);
    } else if (flags === RingEvent.DESC && (event & 0x7fff) >= size) {
      report(
        "2.8.14 offset",
        `the driver's event offset is ${event & 0x7fff}, the ring has ${size} descriptors`,
      );
    }
    if (memory.u32[used >> 2] === this.#deviceEvent) return;
    report("2.8 device", "the device's event suppression was changed by the driver");
  }

  #checkExposed(): void {
    const { memory, size, descriptors, report } = this.#queue;
    const { u32 } = memory;
    const copy = this.#copy;
    for (let i = 0, index = this.#reaped.index; i < this.#owned; i++, index = (index + 1) % size) {
      const at = (descriptors + Descriptor.BYTES * index) >> 2;
      const same =
        u32[at] === copy[4 * index] &&
        u32[at + 1] === copy[4 * index + 1] &&
        u32[at + 2] === copy[4 * index + 2] &&
        u32[at + 3] === copy[4 * index + 3];
      if (!same) report("2.8.16 change", `descriptor ${index} was changed while the device had it`, index);
    }
    for (const { table } of this.#lists.values()) {
      if (!table || fingerprint(memory, table.address, table.bytes) === table.fingerprint) continue;
      const { descriptor } = table;
      report(
        "3.3.1 alter",
        `the indirect table of descriptor ${descriptor} was changed meanwhile`,
        descriptor,
      );
    }
  }

  /** Takes note of the next list that became available; false when there is none, or none that the ring could take. */
  #exposeNext(): boolean {
    const { memory, size, descriptors, buffers, report, exposed } = this.#queue;
    const seen = this.#seen;
    const descriptor = this.#descriptor;
    const first = seen.index;
    const room = size - this.#owned;
    const list: List = { entries: 0, table: undefined };
    buffers.clear();
    let id: number;
    for (let goesOn = true; goesOn;) {
      const { index } = seen;
      const at = descriptors + Descriptor.BYTES * index;
      descriptor.load(memory, at);
      const { third, fourth: flags } = descriptor;
      const available = (flags & BOTH) === (seen.wrap ? Packed.AVAIL : Packed.USED);
      if (!available && list.entries === 0) return false;
      // What is wrong with the rest the ring reports.
      if (!available || list.entries === room || !descriptor.inside(memory) || buffers.full)
        return this.#lose();
      this.#copy.set(memory.u32.subarray(at >> 2, (at >> 2) + 4), 4 * index);
      list.entries++;
      this.#advance(seen, 1);
      goesOn = (flags & Descriptor.NEXT) !== 0;
      id = third;
      if (flags & Descriptor.INDIRECT) {
        if (goesOn || list.entries > 1 || !this.#readTable(list, index)) return this.#lose();
      } else buffers.add(descriptor.address, descriptor.length, (flags & Descriptor.WRITE) !== 0);
    }
    this.#owned += list.entries;
    if (this.#lists.has(id!)) {
      report(
        "2.8.21.1 id",
        `the buffer at descriptor ${first} has id ${id!}, which another one still has`,
        first,
      );
      return this.#lose();
    }
    this.#lists.set(id!, list);
    exposed(first);
    return true;
  }

  #readTable(list: List, index: number): boolean {
    const { memory, buffers, report } = this.#queue;
    const descriptor = this.#descriptor;
    const { address, length } = descriptor;
    const most = Descriptor.BYTES * buffers.most;
    if (length === 0 || length > most || length % Descriptor.BYTES !== 0) return false;
    list.table = {
      address,
      bytes: length,
      fingerprint: fingerprint(memory, address, length),
      descriptor: index,
    };
    for (let at = address; at < address + length; at += Descriptor.BYTES) {
      descriptor.load(memory, at);
      if (buffers.full || !descriptor.inside(memory)) return false;
      const { fourth: flags } = descriptor;
      if (flags & ~Descriptor.WRITE) {
        const entry = (at - address) / Descriptor.BYTES;
        report(
          "2.8.19 flags",
          `entry ${entry} of the table of descriptor ${index} has flags 0x${flags.toString(16)}`,
          index,
        );
      }
      buffers.add(descriptor.address, descriptor.length, (flags & Descriptor.WRITE) !== 0);
    }
    return true;
  }

  /** Gives back what the next used descriptor stands for; false when there is none. */
  #releaseNext(): boolean {
    const { memory, descriptors } = this.#queue;
    const { index, wrap } = this.#reaped;
    const at = (descriptors + Descriptor.BYTES * index) >> 1;
    if (this.#owned === 0 || (memory.u16[at + 7]! & BOTH) !== (wrap ? BOTH : 0)) return false;
    const id = memory.u16[at + 6]!;
    const list = this.#lists.get(id);
    if (!list) return this.#lose();
    this.#lists.delete(id);
    this.#owned -= list.entries;
    this.#advance(this.#reaped, list.entries);
    return true;
  }

  #lose(): false {
    this.#lost = true;
    return false;
  }

  #advance(place: Place, count: number): void {
    place.index += count;
    if (place.index < this.#queue.size) return;
    place.index -= this.#queue.size;
    place.wrap = !place.wrap;
  }
}
