import type { GuestMemory } from "../memory.ts";
import { Descriptor, MAX_QUEUE_SIZE, Packed, RingEvent } from "../spec.ts";
import type { BufferFault, DescriptorView } from "./builder.ts";
import type { DescriptorChain } from "./chain.ts";
import { area, CommonRing, LayoutError } from "./common.ts";
import type { Fault, RingError, RingLayout, RingState } from "./ring.ts";

const AREA = { aligned: "2.8.11 aligned", inside: "2.8 inside" } as const;

const NOT_NEGOTIATED: Fault = {
  rule: "2.8.19 negotiated",
  what: "indirect, but VIRTIO_F_INDIRECT_DESC was not negotiated",
};
const BEGINS_LIST: Fault = { rule: "2.8.19 list", what: "indirect, and begins a list" };

const BOTH = Packed.AVAIL | Packed.USED;

/**
 * The device side of a packed virtqueue (virtio 1.3, 2.8). Like the split one it needs no barriers.
 *
 * A place in the ring is an index and a wrap counter. Where places are compared they are one number from 0 up to twice
 * the size: the index, plus the size in the laps whose wrap counter is 0.
 */
export class PackedRing extends CommonRing {
  readonly #ring: number;
  /** Driver and device event suppression (2.8.14). */
  readonly #driverEvent: number;
  readonly #deviceEvent: number;

  /** The descriptor to take next, and what its AVAIL and USED flags are once it is available: they name the lap (2.8.1). */
  #next = 0;
  #availableFlags: number = Packed.AVAIL;
  /** Where the next used descriptor goes, and its AVAIL and USED flags. */
  #used = 0;
  #usedFlags = BOTH;
  /** Descriptors taken for which no used descriptor stands for yet. */
  #outstanding = 0;
  /** The first used descriptor of what is unpublished, whose flags are held back, and the last one; -1: there is none. */
  #first = -1;
  #firstFlags = 0;
  #last = 0;
  /** Descriptors put since the last publication. */
  #unpublished = 0;
  /** The place up to which used descriptors are published, and how many before it wait for a decision about an interrupt. */
  #publishedEnd = 0;
  #unsignalled = 0;

  /** @throws LayoutError when the size or an area cannot be. */
  constructor(memory: GuestMemory, layout: RingLayout, error: RingError) {
    super(memory, layout, error);
    const { size, descriptors, available, used } = layout;
    if (size > MAX_QUEUE_SIZE)
      throw new LayoutError("2.8.10.1 size", `a size of ${size} is over ${MAX_QUEUE_SIZE}`);
    this.#ring = area(memory, "descriptor ring", descriptors, Descriptor.BYTES * size, 16, AREA);
    this.#driverEvent = area(memory, "driver event suppression", available, RingEvent.BYTES, 4, AREA);
    this.#deviceEvent = area(memory, "device event suppression", used, RingEvent.BYTES, 4, AREA);
  }

  get hasAvailable(): boolean {
    if (this.broken || (this.#flagsAt(this.#next) & BOTH) !== this.#availableFlags) return false;
    if (this.#outstanding < this.size) return true;
    return this.fail(
      "2.8.16 used",
      `descriptor ${this.#next} was made available again before it was used`,
      this.#next,
    );
  }

  protected override read(chain: DescriptorChain): boolean {
    const { descriptor } = this;
    descriptor.load(this.memory, this.#ring + Descriptor.BYTES * this.#next);
    const whole =
      descriptor.fourth & Descriptor.INDIRECT ? this.#readTable(chain, descriptor) : this.#readList(chain);
    if (!whole) return false;
    this.#outstanding += chain.entries;
    chain.place = this.#next;
    this.#next += chain.entries;
    if (this.#next >= this.size) {
      this.#next -= this.size;
      this.#availableFlags ^= BOTH;
    }
    return true;
  }

  /** A list of descriptors in the ring (2.8.6), of which the first is loaded. */
  #readList(chain: DescriptorChain): boolean {
    const { builder, descriptor } = this;
    const room = this.size - this.#outstanding;
    let index = this.#next;
    let availableFlags = this.#availableFlags;
    builder.begin(chain, this.size);
    for (let entries = 1; ; entries++) {
      const flags = descriptor.fourth;
      if (flags & Descriptor.INDIRECT) {
        return this.fail("2.8.19 list", `descriptor ${index} is indirect, inside a list`, index);
      }
      const fault = builder.add(descriptor, (flags & Descriptor.WRITE) !== 0);
      if (fault) return this.#refuse(fault, `descriptor ${index}`, index);
      if (!(flags & Descriptor.NEXT)) {
        chain.head = descriptor.third;
        chain.entries = entries;
        builder.end();
        return true;
      }
      if (entries >= room) {
        return this.fail(
          "2.8.17 room",
          `the list from descriptor ${this.#next} on is longer than the ${room} free ones`,
          index,
        );
      }
      if (++index === this.size) {
        index = 0;
        availableFlags ^= BOTH;
      }
      descriptor.load(this.memory, this.#ring + Descriptor.BYTES * index);
      if ((descriptor.fourth & BOTH) !== availableFlags) {
        return this.fail("2.8.17 first", `descriptor ${index} goes on a list and is not available`, index);
      }
    }
  }

  /** An indirect table (2.8.7), whose descriptor is loaded: all of it is the chain. */
  #readTable(chain: DescriptorChain, descriptor: DescriptorView): boolean {
    const { builder } = this;
    const fault = this.#tableFault(descriptor);
    if (fault) return this.fail(fault.rule, `descriptor ${this.#next}: ${fault.what}`, this.#next);
    if (!descriptor.inside(this.memory))
      return this.#refuse("outside", `the table of descriptor ${this.#next}`, this.#next);
    chain.head = descriptor.third;
    chain.entries = 1;
    const start = descriptor.address;
    const end = start + descriptor.length;
    builder.begin(chain, this.maximumChain);
    for (let at = start; at < end; at += Descriptor.BYTES) {
      descriptor.load(this.memory, at);
      const fault = builder.add(descriptor, (descriptor.fourth & Descriptor.WRITE) !== 0);
      if (fault) {
        return this.#refuse(
          fault,
          `entry ${(at - start) / Descriptor.BYTES} of an indirect table`,
          this.#next,
          true,
        );
      }
    }
    builder.end();
    return true;
  }

  #tableFault({ fourth: flags, length }: DescriptorView): Fault | undefined {
    if (!this.indirect) return NOT_NEGOTIATED;
    if (flags & Descriptor.NEXT) return BEGINS_LIST;
    if (length !== 0 && length % Descriptor.BYTES === 0) return undefined;
    return { rule: "2.8.7 table", what: `an indirect table of ${length} bytes` };
  }

  #refuse(fault: BufferFault, which: string, descriptor: number, inTable = false): false {
    switch (fault) {
      case "outside":
        return this.fail("2.8.4 inside", `${which} points outside guest memory`, descriptor);
      case "order":
        return this.fail("2.8.17 order", `${which} is readable, after a writable one`, descriptor);
      case "length":
        return this.fail(
          inTable ? "2.8.19 length" : "2.8.17 length",
          `${which} makes a list longer than the queue allows`,
          descriptor,
        );
    }
  }

  /** Writes a used descriptor, which skips the rest of the chain's (2.8.6). The first of a batch keeps its old flags. */
  protected override use(chain: DescriptorChain): void {
    const at = this.#ring + Descriptor.BYTES * this.#used;
    this.memory.u32[(at >> 2) + 2] = chain.written;
    this.memory.u16[(at >> 1) + 6] = chain.head;
    const flags = this.#usedFlags | (chain.wrote ? Descriptor.WRITE : 0);
    if (this.#first < 0) {
      this.#first = this.#used;
      this.#firstFlags = flags;
    } else this.memory.u16[(at >> 1) + 7] = flags;
    this.#last = this.#used;
    this.#outstanding -= chain.entries;
    this.#unpublished += chain.entries;
    this.#used += chain.entries;
    if (this.#used >= this.size) {
      this.#used -= this.size;
      this.#usedFlags ^= BOTH;
    }
  }

  protected get places(): Pick<RingState, "next" | "used"> {
    return {
      next: { index: this.#next, wrap: this.#availableFlags === Packed.AVAIL },
      used: { index: this.#used, wrap: this.#usedFlags !== 0 },
    };
  }

  get unpublished(): boolean {
    return this.#first >= 0;
  }

  /** Sets the flags that were held back: with them the driver comes to see the whole batch. */
  publish(): void {
    const first = this.#first;
    const wrapped = this.#last < first;
    this.memory.u16[((this.#ring + Descriptor.BYTES * first) >> 1) + 7] = this.#firstFlags;
    this.memory.dirty(
      this.#ring + Descriptor.BYTES * (wrapped ? 0 : first),
      this.#ring + Descriptor.BYTES * (wrapped ? this.size : this.#last + 1),
    );
    this.#publishedEnd = this.#used + (this.#usedFlags ? 0 : this.size);
    this.#unsignalled += this.#unpublished;
    this.#first = -1;
    this.#unpublished = 0;
  }

  protected override forgetUsed(): void {
    this.#first = -1;
    this.#unpublished = this.#unsignalled = 0;
  }

  get unsignalled(): boolean {
    return this.#unsignalled > 0;
  }

  /** 2.8.10 */
  interruptDue(): boolean {
    const { u16 } = this.memory;
    // What lies a whole ring back the driver has seen: it has made that descriptor available again.
    const count = Math.min(this.#unsignalled, this.size);
    this.#unsignalled = 0;
    const mode = u16[(this.#driverEvent >> 1) + 1]! & 3;
    if (mode === RingEvent.DISABLE) return false;
    // The reserved mode, and DESC without the feature for it: too many interrupts are better than too few.
    if (mode !== RingEvent.DESC || !this.eventIdx) return true;
    const event = this.#place(u16[this.#driverEvent >> 1]!);
    if (event < 0) return true;
    // Descriptors from `event` to the end of what was published, 1 for the last one; 0 means that it is yet to come.
    const back = (this.#publishedEnd - event + 2 * this.size) % (2 * this.size);
    return back > 0 && back <= count;
  }

  /** 2.8.10. With event indices a device that wants no kicks just leaves its event behind. */
  wantKicks(want: boolean): void {
    if (this.eventIdx && !want) return;
    const mode = !want ? RingEvent.DISABLE : this.eventIdx ? RingEvent.DESC : RingEvent.ENABLE;
    const wrap = this.#availableFlags === Packed.AVAIL ? 0x8000 : 0;
    const event = mode === RingEvent.DESC ? this.#next | wrap : 0;
    const word = event + mode * 0x10000;
    const { u32 } = this.memory;
    if (u32[this.#deviceEvent >> 2] === word) return;
    u32[this.#deviceEvent >> 2] = word;
    this.memory.dirty(this.#deviceEvent, this.#deviceEvent + RingEvent.BYTES);
  }

  /** 2.9: `next` is the place of the descriptor that the driver makes available next. */
  notificationFault(next: number): string | undefined {
    const place = this.#place(next);
    const mine = this.#next + (this.#availableFlags === Packed.AVAIL ? 0 : this.size);
    const ahead = (place - mine + 2 * this.size) % (2 * this.size);
    if (place >= 0 && (ahead === 0 || ahead > this.size)) return undefined;
    // Then the one before it was made available in its lap.
    const before = (place + 2 * this.size - 1) % (2 * this.size);
    const flags = before < this.size ? Packed.AVAIL : Packed.USED;
    if (place >= 0 && (this.#flagsAt(before % this.size) & BOTH) === flags) return undefined;
    return `the notification speaks of descriptor ${next & 0x7fff}, wrap counter ${next >> 15}, up to which not all are available`;
  }

  #flagsAt(index: number): number {
    return this.memory.u16[((this.#ring + Descriptor.BYTES * index) >> 1) + 7]!;
  }

  /** The place that an offset in bits 0 to 14 and a wrap counter in bit 15 name; -1 when it is outside the ring. */
  #place(offsetAndWrap: number): number {
    const index = offsetAndWrap & 0x7fff;
    if (index >= this.size) return -1;
    return offsetAndWrap & 0x8000 ? index : index + this.size;
  }
}
