import type { GuestMemory } from "./memory.ts";
import type { Virtqueue } from "./queue.ts";
import type { RingFeatures } from "./ring/ring.ts";

/** Looks at what a driver does beyond what the device needs to know: strict mode, see strict/auditor.ts. */
export interface Auditor {
  /** The device was put behind a transport: its driver, whoever that is, starts from the beginning. */
  connected(): void;
  /** The driver enables a queue with what it has set. Returns who is to watch it, if it can be watched. */
  enabling(queue: Virtqueue, memory: GuestMemory, features: RingFeatures): QueueAuditor | undefined;
}

/** Watches one queue from when it is enabled until it is reset. */
export interface QueueAuditor {
  /** The driver may have run: called before the device looks at the queue or changes anything in it. */
  enter(): void;
  /** The device is done for now, and what it has used is published: called before the driver runs again. */
  leave(): void;
}
