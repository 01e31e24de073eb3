import { type Driver, EVENT_IDX } from "./driver.ts";
import { DESC, DISABLE, PackedDriverQueue } from "./queue-packed.ts";
import { DriverQueue } from "./queue.ts";

/** How a driver asks for interrupts (2.7.7, 2.8.10): for each used buffer, for none, or for a later one. */
export type Suppression = { want: "each" } | { want: "none" } | { want: "later"; after: number };

/** Lets `driver` ask for interrupts of queue `index` from now on in another way. Whoever wants them again looks for himself first. */
export function suppress(driver: Driver, index: number, how: Suppression): void {
  const ring = driver.rings[index]!;
  const eventIdx = driver.has(EVENT_IDX);
  if (how.want === "each") {
    if (ring instanceof DriverQueue) ring.noInterrupt = false;
    ring.rearm();
    driver.reap(index);
  } else if (ring instanceof PackedDriverQueue) {
    if (how.want === "later" && eventIdx) ring.setDriverEvent(DESC, ahead(ring, how.after));
    else ring.setDriverEvent(DISABLE);
  } else if (ring instanceof DriverQueue) {
    if (!eventIdx) ring.noInterrupt = true;
    else if (how.want === "later") ring.usedEvent = (ring.usedIndex + how.after) & 0xffff;
    else ring.usedEvent = (ring.usedIndex - 1) & 0xffff;
  }
}

/** The place some descriptors after the next used one, as an event names it. */
function ahead({ nextUsed, size }: PackedDriverQueue, count: number): number {
  const index = (nextUsed & 0x7fff) + (count % size);
  const wrap = nextUsed & 0x8000;
  return index < size ? index | wrap : (index - size) | (wrap ^ 0x8000);
}
