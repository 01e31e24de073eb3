import type { GuestMemory } from "../memory.ts";
import { AVAIL_NO_INTERRUPT, Descriptor, USED_NO_NOTIFY } from "../spec.ts";
import { DescriptorChain } from "./chain.ts";
import type { Ring, RingError, RingLayout } from "./ring.ts";

/**
 * The device side of a split virtqueue (virtio 1.3, 2.7).
 *
 * Single-threaded on purpose: the guest does not run while the device looks, so the memory barriers and the second
 * look that the specification asks for between "enable notifications" and "check again" have nothing to order here.
 */
export class SplitRing implements Ring {
  readonly size: number;
  readonly #memory: GuestMemory;
  readonly #error: RingError;
  readonly #descriptors: number;
  /** Index into u16 of avail.flags; avail.idx and the ring follow. */
  readonly #avail: number;
  readonly #used: number;
  readonly #mask: number;
  readonly #maximumChain: number;
  readonly #eventIdx: boolean;
  readonly #indirect: boolean;

  #nextAvail = 0;
  #nextUsed = 0;
  #publishedUsed = 0;
  /** Up to here it has been decided whether to interrupt. */
  #signalledUsed = 0;
  #broken = false;
  readonly #descriptor = new DescriptorView();
  /** Every chain object ever made, at most one for each entry of the ring; the free ones are in the pool too. */
  #chains: DescriptorChain[] = [];
  readonly #pool: DescriptorChain[] = [];

  /** @throws RangeError when an area is misaligned or outside memory, with the section. */
  constructor(memory: GuestMemory, layout: RingLayout, error: RingError) {
    this.#memory = memory;
    this.#error = error;
    this.size = layout.size;
    if ((layout.size & (layout.size - 1)) !== 0)
      throw new RangeError(`a size of ${layout.size} is no power of two`);
    this.#mask = layout.size - 1;
    this.#maximumChain = layout.maximumChain;
    this.#eventIdx = layout.features.eventIdx;
    this.#indirect = layout.features.indirect;
    this.#descriptors = area(memory, "descriptor table", layout.descriptors, 16 * layout.size, 16);
    this.#avail = area(memory, "available ring", layout.available, 6 + 2 * layout.size, 2) / 2;
    this.#used = area(memory, "used ring", layout.used, 6 + 8 * layout.size, 4);
    this.#store(this.#used, 0); // 2.7.10.2: with event indices the flags are 0 and stay so
  }

  get hasAvailable(): boolean {
    if (this.#broken) return false;
    const count = (this.#memory.u16[this.#avail + 1]! - this.#nextAvail) & 0xffff;
    if (count <= this.size) return count > 0;
    return this.#fail(
      "2.7.13.3",
      `the available index is ${count} ahead, the queue has ${this.size} entries`,
    );
  }

  take(): DescriptorChain | undefined {
    if (!this.hasAvailable) return undefined;
    const chain = this.#pool.pop() ?? this.#newChain();
    if (!chain) return undefined;
    const head = this.#memory.u16[this.#avail + 2 + (this.#nextAvail & this.#mask)]!;
    if (!this.#walk(chain, head)) {
      this.#pool.push(chain);
      return undefined;
    }
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
    chain.inFlight = true;
    return chain;
  }

  put(chain: DescriptorChain, written: number): void {
    if (!chain.inFlight) return; // the queue was reset meanwhile
    const entry = (this.#used + 4 + 8 * (this.#nextUsed & this.#mask)) >> 2;
    const { u32 } = this.#memory;
    u32[entry] = chain.head;
    u32[entry + 1] = written;
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    chain.close();
    this.#pool.push(chain);
  }

  get unpublished(): boolean {
    return this.#nextUsed !== this.#publishedUsed;
  }

  /** Moves used.idx over everything put since the last time. */
  publish(): void {
    this.#memory.u16[(this.#used >> 1) + 1] = this.#nextUsed;
    this.#publishedUsed = this.#nextUsed;
    this.#memory.dirty(this.#used, this.#used + 6 + 8 * this.size);
  }

  get unsignalled(): boolean {
    return this.#signalledUsed !== this.#publishedUsed;
  }

  /** 2.7.7, and 2.7.8 for the event index. */
  interruptDue(): boolean {
    const { u16 } = this.#memory;
    const before = this.#signalledUsed;
    const after = this.#publishedUsed;
    this.#signalledUsed = after;
    if (!this.#eventIdx) return (u16[this.#avail]! & AVAIL_NO_INTERRUPT) === 0;
    const usedEvent = u16[this.#avail + 2 + this.size]!;
    return ((after - usedEvent - 1) & 0xffff) < ((after - before) & 0xffff);
  }

  /** 2.7.10. With event indices a device that wants no kicks just leaves avail_event behind. */
  wantKicks(want: boolean): void {
    if (!this.#eventIdx) this.#store(this.#used, want ? 0 : USED_NO_NOTIFY);
    else if (want) this.#store(this.#used + 4 + 8 * this.size, this.#nextAvail);
  }

  /** 2.9: `next` is the available index. */
  notificationFault(next: number): string | undefined {
    const index = this.#memory.u16[this.#avail + 1]!;
    if (((index - next) & 0xffff) <= this.size) return undefined;
    return `the notification speaks of available index ${next}, the ring of ${index}`;
  }

  abandon(): void {
    // Not into the pool: a backend may still hold such a chain, and must find it dead for ever.
    for (const chain of this.#chains) if (chain.inFlight) chain.close();
    this.#chains = [...this.#pool];
  }

  kill(): void {
    this.#broken = true;
    this.abandon();
  }

  /** Writes 16 bits of the used ring, if they change. */
  #store(address: number, value: number): void {
    const { u16 } = this.#memory;
    if (u16[address >> 1] === value) return;
    u16[address >> 1] = value;
    this.#memory.dirty(address, address + 2);
  }

  #newChain(): DescriptorChain | undefined {
    if (this.#chains.length === this.size) {
      this.#fail("2.7.13", `more than ${this.size} chains in flight: a head was made available twice`);
      return undefined;
    }
    const chain = new DescriptorChain(this.#memory, this.#maximumChain);
    this.#chains.push(chain);
    return chain;
  }

  /** Follows the chain from `head`, checks every descriptor, fills in `chain` (2.7.5). */
  #walk(chain: DescriptorChain, head: number): boolean {
    const memorySize = this.#memory.size;
    let table = this.#descriptors;
    let entries = this.size;
    let inIndirectTable = false;
    let index = head;
    let count = 0;
    let firstWritable = -1;
    const descriptor = this.#descriptor;
    for (;;) {
      if (index >= entries) {
        return this.#fail("2.7.5", `descriptor ${index} is outside a table of ${entries} (chain ${head})`);
      }
      // Through an indirect table Linux makes chains as long as the device's queue could have been, even when it was short
      // of memory and chose a smaller one. In the queue's own table such a chain can only be a loop.
      const limit = inIndirectTable ? this.#maximumChain : this.size;
      if (count >= limit) {
        return this.#fail("2.7.5.3.1", `chain ${head} is longer than the queue's ${limit} entries, or loops`);
      }
      descriptor.load(this.#memory, table + Descriptor.BYTES * index);
      const { address, length, flags } = descriptor;
      if (descriptor.addressHigh !== 0 || address + length > memorySize) {
        return this.#fail("2.7.5", `descriptor ${index} of chain ${head} points outside guest memory`);
      }
      if (flags & Descriptor.INDIRECT) {
        const fault = this.#indirectFault(descriptor, inIndirectTable);
        if (fault) return this.#fail("2.7.5.3.1", `descriptor ${index} of chain ${head}: ${fault}`);
        inIndirectTable = true;
        table = address;
        entries = length / Descriptor.BYTES;
        index = 0;
        continue;
      }
      if (flags & Descriptor.WRITE) {
        if (firstWritable < 0) firstWritable = count;
      } else if (firstWritable >= 0) {
        return this.#fail("2.7.4.2", `chain ${head} has a readable buffer after a writable one`);
      }
      chain.buffers[2 * count] = address;
      chain.buffers[2 * count + 1] = length;
      count++;
      if (!(flags & Descriptor.NEXT)) break;
      index = descriptor.next;
    }
    if (firstWritable < 0) firstWritable = count;
    chain.head = head;
    chain.reader.open(0, firstWritable);
    chain.writer.open(firstWritable, count);
    return true;
  }

  #indirectFault({ flags, length }: DescriptorView, inIndirectTable: boolean): string | undefined {
    if (!this.#indirect) return "indirect, but VIRTIO_F_INDIRECT_DESC was not negotiated";
    if (inIndirectTable) return "indirect, inside an indirect table";
    if (flags & Descriptor.NEXT) return "indirect, and has a next descriptor";
    if (length === 0 || length % Descriptor.BYTES !== 0) return `an indirect table of ${length} bytes`;
    return undefined;
  }

  #fail(rule: string, what: string): false {
    this.#broken = true;
    this.#error(rule, what);
    return false;
  }
}

/** The fields of one descriptor (2.7.5), loaded once so that a guest cannot change them between check and use. */
class DescriptorView {
  address = 0;
  addressHigh = 0;
  length = 0;
  flags = 0;
  next = 0;

  load(memory: GuestMemory, at: number): void {
    // Only an indirect table may be unaligned; the specification does not forbid it.
    const words =
      (at & 3) === 0 ? memory.u32 : new Uint32Array(memory.u8.slice(at, at + Descriptor.BYTES).buffer);
    const word = (at & 3) === 0 ? at >>> 2 : 0;
    this.address = words[word]!;
    this.addressHigh = words[word + 1]!;
    this.length = words[word + 2]!;
    const flagsAndNext = words[word + 3]!;
    this.flags = flagsAndNext & 0xffff;
    this.next = flagsAndNext >>> 16;
  }
}

function area(memory: GuestMemory, name: string, start: bigint, length: number, alignment: number): number {
  const address = Number(start);
  const where = `the ${name} at 0x${start.toString(16)}`;
  if (address % alignment !== 0) throw new RangeError(`${where} is not aligned to ${alignment} bytes`);
  if (address + length > memory.size) throw new RangeError(`${where} does not lie in guest memory`);
  return address;
}
