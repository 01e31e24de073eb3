import type { VirtioDevice } from "../device.ts";
import { Feature, NO_VECTOR } from "../spec.ts";
import type { VectorMap } from "./pci-vectors.ts";
import { type Register, RegisterFile } from "./registers.ts";
import { half, type TransportState, withHalf } from "./setup.ts";

/** Bytes of struct virtio_pci_common_cfg. */
export const COMMON_BYTES = 0x40;

/** What the common configuration structure is in front of. */
export interface CommonTarget {
  readonly device: VirtioDevice;
  readonly state: TransportState;
  readonly vectors: VectorMap;
  writeStatus(value: number): void;
}

/**
 * What a driver writes to a queue's doorbell with VIRTIO_F_NOTIF_CONFIG_DATA. Any number would do (4.1.4.3); one that is
 * not the index shows a driver that takes no notice of it.
 */
export function notifyConfigData(queue: number): number {
  return 0x8000 | queue;
}

/** Maps an event to a vector for a driver, and tells it when the table has none of that number. */
export function mapVector({ vectors, device }: CommonTarget, event: number, vector: number): void {
  if (vectors.map(event, vector)) return;
  device.violation(
    "4.1.5.1.2.2 table",
    `an event mapped to MSI-X vector ${vector}, which the table does not have`,
  );
}

/** The same for the selected queue. */
export function mapQueueVector(target: CommonTarget, vector: number): void {
  const { queue, queueSelect } = target.state;
  if (queue) mapVector(target, queueSelect, vector);
  else
    target.device.violation(
      "4.1.5.1.3 queue",
      `a vector for queue ${queueSelect}, though there is no such queue`,
    );
}

/** The selected queue's vector. */
export function queueVector({ state, vectors }: CommonTarget): number {
  return vectors.vectorOf(state.queue ? state.queueSelect : -1);
}

/** 4.1.4.3, struct virtio_pci_common_cfg. */
const table: Register<CommonTarget>[] = [
  {
    name: "device_feature_select",
    offset: 0x00,
    width: 4,
    read: (t) => t.state.deviceFeatureSelect,
    write: (t, value) => (t.state.deviceFeatureSelect = value),
  },
  { name: "device_feature", offset: 0x04, width: 4, read: (t) => t.state.deviceFeatures },
  {
    name: "driver_feature_select",
    offset: 0x08,
    width: 4,
    read: (t) => t.state.driverFeatureSelect,
    write: (t, value) => (t.state.driverFeatureSelect = value),
  },
  {
    name: "driver_feature",
    offset: 0x0c,
    width: 4,
    read: (t) => t.state.driverFeatures,
    write: (t, value) => t.device.writeFeatures(t.state.driverFeatureSelect, value),
  },
  {
    name: "config_msix_vector",
    offset: 0x10,
    width: 2,
    read: (t) => t.vectors.vectorOf(t.vectors.configEvent),
    write: (t, value) => mapVector(t, t.vectors.configEvent, value),
  },
  { name: "num_queues", offset: 0x12, width: 2, read: (t) => t.device.queues.length },
  {
    name: "device_status",
    offset: 0x14,
    width: 1,
    read: (t) => t.device.status,
    write: (t, value) => t.writeStatus(value),
  },
  {
    name: "config_generation",
    offset: 0x15,
    width: 1,
    read: (t) => t.device.readGeneration(),
    peek: (t) => t.device.generation,
  },
  {
    name: "queue_select",
    offset: 0x16,
    width: 2,
    read: (t) => t.state.queueSelect,
    write: (t, value) => (t.state.queueSelect = value),
  },
  {
    name: "queue_size",
    offset: 0x18,
    width: 2,
    read: (t) => t.state.queue?.size ?? 0,
    write: (t, value) => t.state.setQueueSize(value),
  },
  { name: "queue_msix_vector", offset: 0x1a, width: 2, read: queueVector, write: mapQueueVector },
  {
    name: "queue_enable",
    offset: 0x1c,
    width: 2,
    read: (t) => (t.state.queue?.enabled ? 1 : 0),
    write: (t, value) => {
      if (value === 1) t.state.enableQueue();
      else t.device.violation("4.1.4.3.2 enable", `${value} written to queue_enable`);
    },
  },
  {
    name: "queue_notify_off",
    offset: 0x1e,
    width: 2,
    read: (t) => (t.state.queue ? t.state.queueSelect : 0),
  },
  ...address("queue_desc", 0x20, "descriptors"),
  ...address("queue_driver", 0x28, "available"),
  ...address("queue_device", 0x30, "used"),
  {
    name: "queue_notif_config_data",
    offset: 0x38,
    width: 2,
    read: (t) =>
      t.state.queue && t.device.has(Feature.common.NOTIF_CONFIG_DATA)
        ? notifyConfigData(t.state.queueSelect)
        : 0,
  },
  {
    name: "queue_reset",
    offset: 0x3a,
    width: 2,
    read: () => 0, // a reset is complete before the driver can look
    write: resetQueue,
  },
  // 4.1.4.3: valid only with VIRTIO_F_ADMIN_VQ, which no device here offers.
  { name: "admin_queue_index", offset: 0x3c, width: 2, read: () => 0 },
  { name: "admin_queue_num", offset: 0x3e, width: 2, read: () => 0 },
];

function resetQueue({ device, state, vectors }: CommonTarget, value: number): void {
  const { queue, queueSelect } = state;
  if (!device.has(Feature.common.RING_RESET)) {
    device.violation("4.1.4.3 reset", "queue_reset written without VIRTIO_F_RING_RESET");
  } else if (value !== 1 || !queue) {
    device.violation("4.1.4.3 reset", `${value} written to queue_reset of queue ${queueSelect}`);
  } else {
    device.resetQueue(queue);
    vectors.map(queueSelect, NO_VECTOR); // 2.6.1.1.1: the default state, and no notification any more
  }
}

function address(
  name: string,
  offset: number,
  field: "descriptors" | "available" | "used",
): Register<CommonTarget>[] {
  return [false, true].map((high) => ({
    name: `${name}_${high ? "high" : "low"}`,
    offset: offset + (high ? 4 : 0),
    width: 4,
    read: (t) => half(t.state.queue?.[field] ?? 0n, high),
    write: (t, value) =>
      t.state.configureQueue((queue) => (queue[field] = withHalf(queue[field], high, value))),
  }));
}

export const commonRegisters = new RegisterFile(table, COMMON_BYTES);
