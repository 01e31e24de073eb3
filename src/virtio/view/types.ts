/** What a person sees of a device at one moment: plain values that can be cloned. Nothing here changes what is looked at. */

export interface DeviceView {
  /** As in events: `blk root`. */
  name: string;
  kind: string;
  transport: string;
  /** Where the guest finds it: `00:02.0` on PCI, `0xfea00000` on MMIO. Empty while the machine is off. */
  address: string;
  /** The device status field (2.1), and its bits in the order in which a driver sets them. */
  status: number;
  statusBits: { name: string; set: boolean; meaning: string; section: string }[];
  features: FeatureView[];
  /** The transport's registers and the configuration space, as the driver would read them. Reading a view has no side effect. */
  registers: RegisterView[];
  queues: QueueSummary[];
  /** Register accesses since power-on. */
  accesses: number;
  /** What stands behind the device, as the worker or Node knows it: name and value. */
  backend: NamedValue[];
  violations: number;
}

export interface NamedValue {
  name: string;
  value: string;
}

export interface FeatureView {
  bit: number;
  name: string;
  /** A sentence. */
  meaning: string;
  /** Of virtio 1.3. */
  section: string;
  offered: boolean;
  negotiated: boolean;
}

export interface RegisterView {
  name: string;
  /** In its structure; bytes. */
  offset: number;
  width: number;
  /** Undefined for a register that cannot be read without side effect, or only written. */
  value: number | undefined;
}

export interface QueueSummary {
  index: number;
  name: string;
  size: number;
  enabled: boolean;
  /** Chains that wait to be taken, and those that the device has. */
  waiting: number;
  inFlight: number;
  kicks: number;
  interrupts: number;
  suppressedInterrupts: number;
  chains: number;
}

/** A queue's rings, read from guest memory. */
export type QueueView = (SplitQueueView | PackedQueueView) & {
  device: string;
  index: number;
  name: string;
  size: number;
  features: { packed: boolean; eventIdx: boolean; indirect: boolean; inOrder: boolean };
  /** Chains that wait in the ring or are in flight, oldest first. */
  chains: ChainView[];
};

export interface SplitQueueView {
  layout: "split";
  /** Guest-physical addresses of the three areas. */
  descriptorTable: { address: bigint; entries: DescriptorEntry[] };
  available: {
    address: bigint;
    flags: number;
    /** Free-running, modulo 65,536, as it is in memory. */
    idx: number;
    ring: number[];
    usedEvent: number | undefined;
    /** Where the device is: the next entry that it takes, free-running. */
    next: number;
  };
  used: {
    address: bigint;
    flags: number;
    idx: number;
    ring: { id: number; len: number }[];
    availEvent: number | undefined;
    /** Where the driver is, as far as it tells (used_event); undefined when it does not. */
    next: number | undefined;
  };
}

export interface PackedQueueView {
  layout: "packed";
  ring: { address: bigint; entries: PackedEntry[] };
  /** The device's positions and wrap counters (2.8.1). */
  nextAvailable: { offset: number; wrap: boolean };
  nextUsed: { offset: number; wrap: boolean };
  driverEvent: { address: bigint; flags: number; offset: number; wrap: boolean };
  deviceEvent: { address: bigint; flags: number; offset: number; wrap: boolean };
}

export interface DescriptorEntry {
  /** Any 64 bits may stand here. */
  address: bigint;
  length: number;
  flags: number;
  /** NEXT, WRITE, INDIRECT. */
  flagNames: string[];
  next: number;
}

export interface PackedEntry {
  address: bigint;
  length: number;
  id: number;
  flags: number;
  /** NEXT, WRITE, INDIRECT, AVAIL, USED. */
  flagNames: string[];
  /** As the flags and the device's wrap counters say. */
  owner: "driver" | "device";
}

export interface ChainView {
  head: number;
  state: "available" | "in flight";
  /** Indexes in the descriptor table or ring; those of an indirect table are not among them. */
  descriptors: number[];
  buffers: BufferView[];
  /** Why it could not be followed to its end; the buffers until there are there. */
  fault: string | undefined;
}

export interface BufferView {
  address: number;
  length: number;
  /** For the device to write into. */
  writable: boolean;
}
