import { ChainBuilder, DescriptorView } from "../../src/virtio/ring/builder.ts";

/** Chains that a device may take in one action. Real drivers fill a queue once: this is eight full ones. */
const MOST_CHAINS = 8 * 256;
/** Descriptors that may be read for them: chains as long as the longest queue, each with a table; and once more in strict mode. */
const MOST_DESCRIPTORS = 2 * MOST_CHAINS * 257;

/**
 * Counts the device's work. A device that the driver keeps busy for ever is found by the count and not by a clock: the
 * error that says so also ends the loop.
 */
export const work = {
  /** Buffers that drivers have described to devices since the program began, good and bad ones. */
  descriptors: 0,
  chains: 0,
};

let reads = 0;
let chainsBefore = 0;

/** The next action begins. */
export function nextAction(): void {
  reads = 0;
  chainsBefore = work.chains;
}

/** A chain was taken. @throws Error when there were too many in this action. */
export function countChain(): void {
  if (++work.chains - chainsBefore > MOST_CHAINS)
    throw new Error(`more than ${MOST_CHAINS} chains in one action`);
}

// Two methods that every chain goes through, whatever the ring's layout.
const views = DescriptorView.prototype;
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
const { load } = views;
views.load = function (memory, at): void {
  if (++reads > MOST_DESCRIPTORS) {
    throw new Error(`more than ${MOST_DESCRIPTORS} descriptors read in one action`);
  }
  load.call(this, memory, at);
};

const builders = ChainBuilder.prototype;
// eslint-disable-next-line @typescript-eslint/unbound-method -- the same
const { add } = builders;
builders.add = function (descriptor, writable) {
  work.descriptors++;
  return add.call(this, descriptor, writable);
};
