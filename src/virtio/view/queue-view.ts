import type { VirtioDevice } from "../device.ts";
import type { DescriptorChain } from "../ring/chain.ts";
import type { RingState } from "../ring/ring.ts";
import { type Budget, MOST_DESCRIPTORS } from "./chain-walk.ts";
import { packedChains, packedView, packedWaiting } from "./packed-view.ts";
import { splitChains, splitView, splitWaiting, splitWalk } from "./split-view.ts";
import type { BufferView, ChainView, QueueView } from "./types.ts";

/**
 * A queue's rings as they are in guest memory, whatever the driver has written there, with where the device is in them.
 * Undefined when there is no such queue or it is not enabled. Changes nothing, and never throws.
 */
export function queueView(device: VirtioDevice, index: number): QueueView | undefined {
  const queue = device.queues[index];
  const ring = queue?.look();
  if (!queue || !ring) return undefined;
  const { u8 } = ring.memory;
  const view = new DataView(u8.buffer, u8.byteOffset, u8.length);
  const { packed, eventIdx, indirect, inOrder } = ring.layout.features;
  const budget: Budget = { left: MOST_DESCRIPTORS };
  return {
    ...(packed ? packedView(ring, view) : splitView(ring, view)),
    device: device.name,
    index,
    name: queue.name,
    size: ring.layout.size,
    features: { packed, eventIdx, indirect, inOrder },
    chains: [
      ...ring.inFlight.map((chain) => inFlightChain(ring, chain, budget)),
      ...(packed ? packedChains(ring, budget) : splitChains(ring, budget)),
    ],
  };
}

/** How many chains wait to be taken. */
export function waitingChains(ring: RingState): number {
  return ring.layout.features.packed ? packedWaiting(ring) : splitWaiting(ring);
}

/** Its buffers are those that the device took, whatever is in the table by now. */
function inFlightChain(ring: RingState, chain: DescriptorChain, budget: Budget): ChainView {
  const { size, features } = ring.layout;
  const { head, place, entries } = chain;
  const descriptors = features.packed
    ? Array.from({ length: Math.min(entries, size) }, (_, i) => (place + i) % size)
    : splitWalk(ring, head, budget).descriptors;
  return { head, state: "in flight", descriptors, ...buffersOf(chain, budget) };
}

function buffersOf(
  { buffers, readableBuffers, writableBuffers }: DescriptorChain,
  budget: Budget,
): Pick<ChainView, "buffers" | "fault"> {
  const count = readableBuffers + writableBuffers;
  const shown = Math.max(0, Math.min(count, budget.left));
  budget.left -= shown;
  const views: BufferView[] = Array.from({ length: shown }, (_, i) => ({
    address: buffers[2 * i]!,
    length: buffers[2 * i + 1]!,
    writable: i >= readableBuffers,
  }));
  const fault = shown < count ? `Only ${shown} of its ${count} buffers are shown.` : undefined;
  return { buffers: views, fault };
}
