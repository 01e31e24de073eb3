import type { GuestMemory } from "./memory.ts";
import type { QueueAuditor, Virtqueue } from "./queue.ts";
import type { RingFeatures } from "./ring/ring.ts";

/** Looks at what a driver does beyond what the device needs to know: strict mode, see strict/auditor.ts. */
export interface Auditor {
  /** The device was put behind a transport: its driver, whoever that is, starts from the beginning. */
  connected(): void;
  /** The driver enables a queue with what it has set. Returns who is to watch it, if it can be watched. */
  enabling(queue: Virtqueue, memory: GuestMemory, features: RingFeatures): QueueAuditor | undefined;
}
