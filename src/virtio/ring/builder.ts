import type { GuestMemory } from "../memory.ts";
import { Descriptor } from "../spec.ts";
import type { DescriptorChain } from "./chain.ts";

/** Why a descriptor cannot be a chain's next buffer. */
export type BufferFault = "outside" | "order" | "length";

/** The fields of one descriptor (2.7.5, 2.8.13), loaded once so that a guest cannot change them between check and use. */
export class DescriptorView {
  address = 0;
  addressHigh = 0;
  length = 0;
  /** Bytes 12 and 13: a split ring's flags, a packed ring's buffer id. */
  third = 0;
  /** Bytes 14 and 15: a split ring's next, a packed ring's flags. */
  fourth = 0;

  load(memory: GuestMemory, at: number): void {
    // Only an indirect table may be unaligned; the specification does not forbid it.
    const aligned = (at & 3) === 0;
    const words = aligned ? memory.u32 : new Uint32Array(memory.u8.slice(at, at + Descriptor.BYTES).buffer);
    const word = aligned ? at >>> 2 : 0;
    this.address = words[word]!;
    this.addressHigh = words[word + 1]!;
    this.length = words[word + 2]!;
    const last = words[word + 3]!;
    this.third = last & 0xffff;
    this.fourth = last >>> 16;
  }

  /** Whether the range that it names lies in guest memory. */
  inside(memory: GuestMemory): boolean {
    return this.addressHigh === 0 && this.address + this.length <= memory.size;
  }
}

/** Puts a chain together, buffer by buffer, and checks what both layouts demand of one. */
export class ChainBuilder {
  readonly #memory: GuestMemory;
  #chain: DescriptorChain | undefined;
  #limit = 0;
  #count = 0;
  #firstWritable = -1;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Starts a chain of at most `limit` buffers. */
  begin(chain: DescriptorChain, limit: number): void {
    this.#chain = chain;
    this.#limit = limit;
    this.#count = 0;
    this.#firstWritable = -1;
  }

  /** The limit of a chain that goes on in another table. */
  set limit(limit: number) {
    this.#limit = limit;
  }

  /** The number of buffers is at the limit: one more would be too many. */
  get full(): boolean {
    return this.#count >= this.#limit;
  }

  add(descriptor: DescriptorView, writable: boolean): BufferFault | undefined {
    const count = this.#count;
    if (count >= this.#limit) return "length";
    if (!descriptor.inside(this.#memory)) return "outside";
    if (writable) {
      if (this.#firstWritable < 0) this.#firstWritable = count;
    } else if (this.#firstWritable >= 0) return "order";
    const { buffers } = this.#chain!;
    buffers[2 * count] = descriptor.address;
    buffers[2 * count + 1] = descriptor.length;
    this.#count = count + 1;
    return undefined;
  }

  /** Ends the chain: its buffers can be read and written. */
  end(): void {
    const firstWritable = this.#firstWritable < 0 ? this.#count : this.#firstWritable;
    this.#chain!.open(firstWritable, this.#count);
  }
}
