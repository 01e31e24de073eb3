import type { GuestMemory } from "../memory.ts";
import type { QueueAuditor } from "../queue.ts";
import { DescriptorView } from "../ring/builder.ts";
import { Descriptor } from "../spec.ts";
import { type Buffers, fingerprint } from "./buffers.ts";
import type { QueueReport } from "./report.ts";

export interface AuditedQueue {
  memory: GuestMemory;
  size: number;
  /** Addresses in guest memory. */
  descriptors: number;
  available: number;
  used: number;
  eventIdx: boolean;
  inOrder: boolean;
  /** How many chains the device has taken since the queue was enabled. */
  taken: () => number;
  report: QueueReport;
  /** Room for a chain's buffers. */
  buffers: Buffers;
  /** Told of each chain that became available. */
  exposed: (head: number) => void;
}

/** An indirect table that the device has. */
interface Table {
  address: number;
  bytes: number;
  /** Those of them that a chain can reach. */
  watched: number;
  fingerprint: number;
}

const FREE = -1;

/**
 * Watches the driver's side of a split queue (2.7): what is the device's stays as it was made available, chains are made of
 * free descriptors, the rings say what they may. It keeps a copy of what is exposed, and looks at the used ring as a driver
 * would to know what comes back.
 */
export class SplitAudit implements QueueAuditor {
  readonly #queue: AuditedQueue;
  readonly #mask: number;
  readonly #descriptor = new DescriptorView();
  /** By descriptor: the head of the chain that the device has it in. */
  readonly #owner: Int32Array;
  #owned = 0;
  /** Four words of each descriptor that the device has. */
  readonly #copy: Uint32Array;
  /** Entries of the available ring as they became available. */
  readonly #entries: Uint16Array;
  /** By head. */
  readonly #tables = new Map<number, Table>();
  /** The used ring as the device left it: flags and idx, then the elements; avail_event. */
  readonly #usedCopy: Uint32Array;
  #availEvent = 0;
  /** The available index up to which chains are known, and the used one. */
  #seen = 0;
  #reaped = 0;
  /** Between `enter` and `leave` memory is the device's. */
  #inside = false;
  /** The driver has broken what this rests on, and it was reported. */
  #lost = false;

  constructor(queue: AuditedQueue) {
    const { memory, size, used, report } = queue;
    this.#queue = queue;
    this.#mask = size - 1;
    this.#owner = new Int32Array(size).fill(FREE);
    this.#copy = new Uint32Array(4 * size);
    this.#entries = new Uint16Array(size);
    this.#usedCopy = new Uint32Array(1 + 2 * size);
    const flags = memory.u16[used >> 1]!;
    if (flags !== 0) report("2.7.10.1 flags", `used.flags are ${flags} when the queue is enabled`);
    this.#remember();
  }

  enter(): void {
    if (this.#inside) return;
    this.#inside = true;
    this.#checkFlags();
    if (!this.#lost) this.#checkUsedRing();
    if (this.#lost) return;
    this.#checkExposed();
    this.#expose();
  }

  leave(): void {
    this.#inside = false;
    if (this.#lost) return;
    this.#release();
    this.#remember();
  }

  #checkFlags(): void {
    const { memory, available, eventIdx, report } = this.#queue;
    const flags = memory.u16[available >> 1]!;
    if (eventIdx && flags !== 0) report("2.7.7.1 zero", `avail.flags are ${flags}`);
    else if (flags > 1) report("2.7.7.1 flags", `avail.flags are ${flags}`);
  }

  #checkUsedRing(): void {
    const { memory, size, used, eventIdx, report } = this.#queue;
    const { u16, u32 } = memory;
    const copy = this.#usedCopy;
    for (let i = 0; i < copy.length; i++) {
      if (u32[(used >> 2) + i] === copy[i]) continue;
      const what = i === 0 ? "used.flags or used.idx were" : `used.ring[${(i - 1) >> 1}] was`;
      report("2.7.8 device", `${what} changed by the driver`);
      this.#lost = true;
      return;
    }
    const event = u16[(used >> 1) + 2 + 4 * size];
    if (eventIdx && event !== this.#availEvent) {
      report("2.7.8 device", "avail_event was changed by the driver");
      this.#lost = true;
    }
  }

  /** What the device has is as it was. */
  #checkExposed(): void {
    const { memory, size, descriptors, available, taken, report } = this.#queue;
    const { u16, u32 } = memory;
    const copy = this.#copy;
    if (this.#owned > 0) {
      for (let i = 0; i < size; i++) {
        const chain = this.#owner[i]!;
        if (chain === FREE) continue;
        const at = (descriptors + Descriptor.BYTES * i) >> 2;
        const same =
          u32[at] === copy[4 * i] &&
          u32[at + 1] === copy[4 * i + 1] &&
          u32[at + 2] === copy[4 * i + 2] &&
          u32[at + 3] === copy[4 * i + 3];
        if (!same)
          report("3.3.1 alter", `descriptor ${i} was changed while the device had chain ${chain}`, i);
      }
    }
    for (const [chain, table] of this.#tables) {
      if (fingerprint(memory, table.address, table.watched) === table.fingerprint) continue;
      report(
        "3.3.1 alter",
        `the indirect table of chain ${chain} was changed while the device had it`,
        chain,
      );
    }
    const waiting = Math.min((this.#seen - taken()) & 0xffff, size);
    for (let i = 1; i <= waiting; i++) {
      const slot = (this.#seen - i) & this.#mask;
      const [was, is] = [this.#entries[slot]!, u16[(available >> 1) + 2 + slot]!];
      if (was !== is) report("3.3.1 alter", `avail.ring[${slot}] became ${is}, it was ${was}`, was);
    }
  }

  /** Takes note of the chains that became available. */
  #expose(): void {
    const { memory, size, available, report } = this.#queue;
    const { u16 } = memory;
    const index = u16[(available >> 1) + 1]!;
    const count = (index - this.#seen) & 0xffff;
    if (count > size) {
      // Too far ahead is what the ring itself reports.
      const back = (this.#seen - index) & 0xffff;
      if (back <= size) report("2.7.6.1 decrement", `avail.idx went from ${this.#seen} back to ${index}`);
      this.#lost = true;
      return;
    }
    for (let i = 0; i < count; i++) {
      const slot = this.#seen & this.#mask;
      const head = u16[(available >> 1) + 2 + slot]!;
      this.#entries[slot] = head;
      if (!this.#walk(head)) {
        this.#lost = true; // the ring reports what is wrong when it gets there, and that is the end of it
        return;
      }
      this.#seen = (this.#seen + 1) & 0xffff;
    }
  }

  /** Follows a chain; false when the ring cannot either. */
  #walk(head: number): boolean {
    const { memory, size, descriptors, buffers, report, exposed } = this.#queue;
    const descriptor = this.#descriptor;
    let table: Table | undefined;
    let index = head;
    buffers.clear();
    for (;;) {
      const entries = table ? table.bytes / Descriptor.BYTES : size;
      if (index >= entries || buffers.full) return false;
      descriptor.load(memory, (table ? table.address : descriptors) + Descriptor.BYTES * index);
      if (!table) {
        if (this.#owner[index] !== FREE) {
          const other = this.#owner[index]!;
          const whose =
            other === head ? "it is in that chain already" : `the device has it in chain ${other}`;
          report("2.7.13.1 free", `descriptor ${index} of chain ${head} is not free: ${whose}`, index);
          return true;
        }
        this.#own(index, head);
      }
      if (!descriptor.inside(memory)) return false;
      const { address, length, third: flags, fourth: next } = descriptor;
      if (flags & Descriptor.INDIRECT) {
        if (table || length === 0 || length % Descriptor.BYTES !== 0) return false;
        const watched = Math.min(length, Descriptor.BYTES * buffers.most);
        table = { address, bytes: length, watched, fingerprint: fingerprint(memory, address, watched) };
        this.#tables.set(head, table);
        index = 0;
        continue;
      }
      buffers.add(address, length, (flags & Descriptor.WRITE) !== 0);
      if (!(flags & Descriptor.NEXT)) break;
      this.#checkOrder(index, next, table !== undefined, head);
      index = next;
    }
    if (buffers.readable + buffers.writable > 2 ** 32) {
      report("2.7.5.2 bytes", `chain ${head} has ${buffers.readable + buffers.writable} bytes`, head);
    }
    exposed(head);
    return true;
  }

  #checkOrder(index: number, next: number, inTable: boolean, head: number): void {
    const { size, inOrder, report } = this.#queue;
    if (!inOrder) return;
    const expected = inTable ? index + 1 : (index + 1) % size;
    if (next === expected) return;
    report(
      inTable ? "2.7.5.3.1 inOrder" : "2.7.5.2 inOrder",
      `descriptor ${index} of chain ${head}${inTable ? "'s table" : ""} is followed by ${next}, not ${expected}`,
      inTable ? head : index,
    );
  }

  #own(index: number, chain: number): void {
    const { memory, descriptors } = this.#queue;
    const at = (descriptors + Descriptor.BYTES * index) >> 2;
    this.#copy.set(memory.u32.subarray(at, at + 4), 4 * index);
    this.#owner[index] = chain;
    this.#owned++;
  }

  /** What is in the used ring is the driver's again. */
  #release(): void {
    const { memory, size, used } = this.#queue;
    const { u16, u32 } = memory;
    const index = u16[(used >> 1) + 1]!;
    if (index === this.#usedCopy[0]! >>> 16) return; // nothing was published
    for (let i = 0; i < size && this.#reaped !== index; i++) {
      const head = u32[(used + 4 + 8 * (this.#reaped & this.#mask)) >> 2]!;
      this.#free(head);
      this.#reaped = (this.#reaped + 1) & 0xffff;
    }
  }

  #free(head: number): void {
    this.#tables.delete(head);
    // A chain's descriptors are its own, so that this ends.
    for (let index = head; this.#owner[index] === head;) {
      this.#owner[index] = FREE;
      this.#owned--;
      const last = this.#copy[4 * index + 3]!;
      if (!(last & Descriptor.NEXT)) return;
      index = last >>> 16;
    }
  }

  #remember(): void {
    const { memory, size, used } = this.#queue;
    this.#usedCopy.set(memory.u32.subarray(used >> 2, (used >> 2) + this.#usedCopy.length));
    this.#availEvent = memory.u16[(used >> 1) + 2 + 4 * size]!;
  }
}
