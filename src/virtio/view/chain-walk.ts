import type { GuestMemory } from "../memory.ts";
import { DescriptorView } from "../ring/builder.ts";
import type { RingLayout } from "../ring/ring.ts";
import { Descriptor } from "../spec.ts";
import type { BufferView, ChainView } from "./types.ts";

/**
 * How many descriptors are followed for one view of a queue, in all of its chains: sixteen whole rings of 256. A driver that
 * means well has far fewer; one that lets every head lead into the same long chain is not followed for ever.
 */
export const MOST_DESCRIPTORS = 4096;

/** What is left of that. */
export interface Budget {
  left: number;
}

/** Follows one chain by what is in memory, checks what the device would, and keeps why it could not go on. Never throws. */
export class ChainWalk {
  readonly descriptors: number[] = [];
  readonly buffers: BufferView[] = [];
  readonly descriptor = new DescriptorView();
  readonly maximumChain: number;
  fault: string | undefined;
  readonly #memory: GuestMemory;
  readonly #indirect: boolean;
  readonly #budget: Budget;
  #writable = false;

  constructor(memory: GuestMemory, { maximumChain, features }: RingLayout, budget: Budget) {
    this.#memory = memory;
    this.maximumChain = maximumChain;
    this.#indirect = features.indirect;
    this.#budget = budget;
  }

  get result(): Pick<ChainView, "descriptors" | "buffers" | "fault"> {
    return { descriptors: this.descriptors, buffers: this.buffers, fault: this.fault };
  }

  fail(fault: string): this {
    this.fault = fault;
    return this;
  }

  /** Whether the chain may have one more descriptor, of `most` buffers that it may have. */
  mayVisit(most: number): boolean {
    if (this.buffers.length >= most)
      this.fail(`The chain has more than ${most} buffers: it is longer than the queue allows, or a loop.`);
    else if (this.#budget.left-- <= 0)
      this.fail(`Not followed further: no more than ${MOST_DESCRIPTORS} descriptors of a queue are shown.`);
    return this.fault === undefined;
  }

  load(at: number): void {
    this.descriptor.load(this.#memory, at);
  }

  /** Whether the loaded descriptor, `which` as at the beginning of a sentence, names an indirect table that can be read. */
  mayFollow(which: string): boolean {
    const { length } = this.descriptor;
    if (!this.#indirect) this.fail(`${which} is indirect, which was not negotiated (2.7.5.3.1).`);
    else if (length === 0 || length % Descriptor.BYTES !== 0)
      this.fail(`${which} names an indirect table of ${length} bytes, no multiple of ${Descriptor.BYTES}.`);
    else if (!this.descriptor.inside(this.#memory))
      this.fail(`${which} names an indirect table outside guest memory.`);
    return this.fault === undefined;
  }

  /** Adds the buffer of the loaded descriptor; false when a chain cannot have it. */
  add(which: string, writable: boolean): boolean {
    const { address, length } = this.descriptor;
    if (!this.descriptor.inside(this.#memory)) this.fail(`${which} points outside guest memory.`);
    else if (this.#writable && !writable)
      this.fail(`${which} is readable and comes after a writable one (2.7.4.2).`);
    else this.buffers.push({ address, length, writable });
    this.#writable ||= writable;
    return this.fault === undefined;
  }
}

/** The names of the flags in a descriptor, with those that a layout adds; the lists are shared. */
export function descriptorFlags(more: readonly (readonly [string, number])[]): (flags: number) => string[] {
  const known = [
    ["NEXT", Descriptor.NEXT],
    ["WRITE", Descriptor.WRITE],
    ["INDIRECT", Descriptor.INDIRECT],
    ...more,
  ] as const;
  return (flags) => known.filter(([, bit]) => flags & bit).map(([name]) => name);
}
