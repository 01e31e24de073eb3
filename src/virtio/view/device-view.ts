import type { VirtioDevice } from "../device.ts";
import type { Virtqueue } from "../queue.ts";
import { featureViews } from "./features.ts";
import { waitingChains } from "./queue-view.ts";
import { statusBits } from "./status.ts";
import type { DeviceView, QueueSummary } from "./types.ts";

/** A device as it is now. Reading it acknowledges nothing and marks nothing as read. */
export function deviceView(
  device: VirtioDevice,
  where: Pick<DeviceView, "kind" | "transport" | "address">,
): DeviceView {
  const { name, status, kind, offered, negotiated, queues, accesses, violations } = device;
  return {
    ...where,
    name,
    status,
    statusBits: statusBits(status),
    features: featureViews(kind, offered, negotiated),
    registers: device.look(),
    queues: queues.map(queueSummary),
    accesses,
    backend: device.state(),
    violations,
  };
}

function queueSummary(queue: Virtqueue): QueueSummary {
  const { index, name, size, enabled, counters } = queue;
  const ring = queue.look();
  return {
    index,
    name,
    size,
    enabled,
    waiting: ring ? waitingChains(ring) : 0,
    inFlight: ring ? ring.inFlight.length : 0,
    ...counters,
  };
}
