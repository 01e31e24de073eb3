import type { GuestMemory } from "../memory.ts";
import { AVAIL_NO_INTERRUPT, Descriptor, USED_NO_NOTIFY } from "../spec.ts";
import type { BufferFault, DescriptorView } from "./builder.ts";
import type { DescriptorChain } from "./chain.ts";
import { area, CommonRing, LayoutError } from "./common.ts";
import type { Fault, RingError, RingLayout, RingState } from "./ring.ts";

const AREA = { aligned: "2.7.1 aligned", inside: "2.7 inside" } as const;

const NOT_NEGOTIATED: Fault = {
  rule: "2.7.5.3.1 negotiated",
  what: "indirect, but VIRTIO_F_INDIRECT_DESC was not negotiated",
};
const NESTED: Fault = { rule: "2.7.5.3.1 nested", what: "indirect, inside an indirect table" };
const WITH_NEXT: Fault = { rule: "2.7.5.3.1 next", what: "indirect, and has a next descriptor" };

/**
 * The device side of a split virtqueue (virtio 1.3, 2.7).
 *
 * Single-threaded on purpose: the guest does not run while the device looks, so the memory barriers and the second
 * look that the specification asks for between "enable notifications" and "check again" have nothing to order here.
 */
export class SplitRing extends CommonRing {
  readonly #descriptors: number;
  /** Index into u16 of avail.flags; avail.idx and the ring follow. */
  readonly #avail: number;
  readonly #used: number;
  readonly #mask: number;

  #nextAvail = 0;
  #nextUsed = 0;
  #publishedUsed = 0;
  /** Up to here it has been decided whether to interrupt. */
  #signalledUsed = 0;

  /** @throws LayoutError when the size or an area cannot be. */
  constructor(memory: GuestMemory, layout: RingLayout, error: RingError) {
    super(memory, layout, error);
    const { size, descriptors, available, used } = layout;
    if ((size & (size - 1)) !== 0) throw new LayoutError("2.7 size", `a size of ${size} is no power of two`);
    this.#mask = size - 1;
    this.#descriptors = area(memory, "descriptor table", descriptors, 16 * size, 16, AREA);
    this.#avail = area(memory, "available ring", available, 6 + 2 * size, 2, AREA) / 2;
    this.#used = area(memory, "used ring", used, 6 + 8 * size, 4, AREA);
    this.#store(this.#used, 0); // 2.7.10.2: with event indices the flags are 0 and stay so
  }

  get hasAvailable(): boolean {
    if (this.broken) return false;
    const count = (this.memory.u16[this.#avail + 1]! - this.#nextAvail) & 0xffff;
    if (count <= this.size) return count > 0;
    return this.fail(
      "2.7.13.3 index",
      `the available index is ${count} ahead, the queue has ${this.size} entries`,
    );
  }

  protected override read(chain: DescriptorChain): boolean {
    const head = this.memory.u16[this.#avail + 2 + (this.#nextAvail & this.#mask)]!;
    if (!this.#walk(chain, head)) return false;
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
    return true;
  }

  protected override use(chain: DescriptorChain): void {
    const entry = (this.#used + 4 + 8 * (this.#nextUsed & this.#mask)) >> 2;
    const { u32 } = this.memory;
    u32[entry] = chain.head;
    u32[entry + 1] = chain.written;
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
  }

  protected get places(): Pick<RingState, "next" | "used"> {
    return { next: { index: this.#nextAvail, wrap: false }, used: { index: this.#nextUsed, wrap: false } };
  }

  get unpublished(): boolean {
    return this.#nextUsed !== this.#publishedUsed;
  }

  /** Moves used.idx over everything put since the last time. */
  publish(): void {
    this.memory.u16[(this.#used >> 1) + 1] = this.#nextUsed;
    this.#publishedUsed = this.#nextUsed;
    this.memory.dirty(this.#used, this.#used + 6 + 8 * this.size);
  }

  protected override forgetUsed(): void {
    this.#nextUsed = this.#signalledUsed = this.#publishedUsed;
  }

  get unsignalled(): boolean {
    return this.#signalledUsed !== this.#publishedUsed;
  }

  /** 2.7.7 */
  interruptDue(): boolean {
    const { u16 } = this.memory;
    const before = this.#signalledUsed;
    const after = this.#publishedUsed;
    this.#signalledUsed = after;
    if (!this.eventIdx) return (u16[this.#avail]! & AVAIL_NO_INTERRUPT) === 0;
    const usedEvent = u16[this.#avail + 2 + this.size]!;
    return ((after - usedEvent - 1) & 0xffff) < ((after - before) & 0xffff);
  }

  /** 2.7.10. With event indices a device that wants no kicks just leaves avail_event behind. */
  wantKicks(want: boolean): void {
    if (!this.eventIdx) this.#store(this.#used, want ? 0 : USED_NO_NOTIFY);
    else if (want) this.#store(this.#used + 4 + 8 * this.size, this.#nextAvail);
  }

  /** 2.9: `next` is the available index. */
  notificationFault(next: number): string | undefined {
    const index = this.memory.u16[this.#avail + 1]!;
    if (((index - next) & 0xffff) <= this.size) return undefined;
    return `the notification speaks of available index ${next}, the ring of ${index}`;
  }

  /** Writes 16 bits of the used ring, if they change. */
  #store(address: number, value: number): void {
    const { u16 } = this.memory;
    if (u16[address >> 1] === value) return;
    u16[address >> 1] = value;
    this.memory.dirty(address, address + 2);
  }

  /** Follows the chain from `head` (2.7.5). */
  #walk(chain: DescriptorChain, head: number): boolean {
    let table = this.#descriptors;
    let entries = this.size;
    let inIndirectTable = false;
    let index = head;
    const { builder, descriptor } = this;
    builder.begin(chain, this.size);
    for (;;) {
      if (index >= entries) {
        return this.fail(
          "2.7.5 inside",
          `descriptor ${index} is outside a table of ${entries} (chain ${head})`,
          index,
        );
      }
      if (builder.full) return this.#refuse("length", index, head);
      descriptor.load(this.memory, table + Descriptor.BYTES * index);
      const flags = descriptor.third;
      if (flags & Descriptor.INDIRECT) {
        if (!descriptor.inside(this.memory)) return this.#refuse("outside", index, head);
        const fault = this.#indirectFault(descriptor, inIndirectTable);
        if (fault) return this.fail(fault.rule, `descriptor ${index} of chain ${head}: ${fault.what}`, index);
        inIndirectTable = true;
        table = descriptor.address;
        entries = descriptor.length / Descriptor.BYTES;
        index = 0;
        // Linux makes such chains as long as the device's queue could have been, even when it was short of memory and chose
        // a smaller one. In the queue's own table a chain of that length can only be a loop.
        builder.limit = this.maximumChain;
        continue;
      }
      const fault = builder.add(descriptor, (flags & Descriptor.WRITE) !== 0);
      if (fault) return this.#refuse(fault, index, head);
      if (!(flags & Descriptor.NEXT)) break;
      index = descriptor.fourth;
    }
    builder.end();
    chain.head = head;
    return true;
  }

  #refuse(fault: BufferFault, index: number, head: number): false {
    switch (fault) {
      case "outside":
        return this.fail(
          "2.7.5 inside",
          `descriptor ${index} of chain ${head} points outside guest memory`,
          index,
        );
      case "order":
        return this.fail("2.7.4.2 order", `chain ${head} has a readable buffer after a writable one`, index);
      case "length":
        return this.fail(
          "2.7.5.3.1 length",
          `chain ${head} is longer than the queue allows, or loops`,
          index,
        );
    }
  }

  #indirectFault({ third: flags, length }: DescriptorView, inIndirectTable: boolean): Fault | undefined {
    if (!this.indirect) return NOT_NEGOTIATED;
    if (inIndirectTable) return NESTED;
    if (flags & Descriptor.NEXT) return WITH_NEXT;
    if (length !== 0 && length % Descriptor.BYTES === 0) return undefined;
    return { rule: "2.7.5.3 table", what: `an indirect table of ${length} bytes` };
  }
}
