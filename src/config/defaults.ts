import type { BlockConfig, DeviceConfig, DiskStore, MachineConfig, Transport } from "./types.ts";

/** The two fronts: each has stores that the other lacks, and a default machine of its own. */
export type Platform = "browser" | "node";

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** The sizes that a machine's parts can have, in bytes. */
export const MEMORY = { least: 64 * MiB, most: 2 * GiB, multiple: MiB, standard: 256 * MiB } as const;
export const DISK = { least: 512, most: 1024 * GiB, multiple: 512 } as const;

/**
 * Devices in one machine. The PCI bus has 32 slots, some of them v86's own, and a link from a stranger must not make
 * thousands of disks.
 */
export const MOST_DEVICES = 24;

/** Entries of an MSI-X table (virtio 1.3, 4.1.5.1.2.1: "at most 0x800"). */
export const MOST_VECTORS = 0x800;

export interface StoreTraits {
  /** For help: where the bytes are, how long they stay. */
  help: string;
  platforms: readonly Platform[];
  /** A disk's size when none is given, in bytes; undefined: what is behind it knows. */
  size: number | undefined;
  /** Bytes, when it is less than what any disk may have. */
  most?: number;
  /** What a guest discards is given back. */
  discards: boolean;
  /** What a guest erases is nowhere any more; a file system or a database may keep old copies. */
  erases: boolean;
}

export const STORES: Readonly<Record<DiskStore, StoreTraits>> = {
  // All of such a disk may come to be in the host's memory, and a link must not be able to ask for a terabyte of it.
  memory: {
    help: "gone when the machine is",
    platforms: ["browser", "node"],
    size: 64 * MiB,
    most: 2 * GiB,
    discards: true,
    erases: true,
  },
  file: {
    help: "the file at path, in Node",
    platforms: ["node"],
    size: undefined,
    discards: false,
    erases: false,
  },
  idb: {
    help: "kept in IndexedDB under the disk's id, in the browser",
    platforms: ["browser"],
    size: 256 * MiB,
    discards: true,
    erases: false,
  },
};

/** Where a disk lives when neither `store` nor `path` says so. */
export const STANDARD_STORE: Readonly<Record<Platform, "memory" | "idb">> = {
  browser: "idb",
  node: "memory",
};

/** What every device has unless its options say otherwise. */
export const STANDARD_DEVICE = {
  transport: "pci",
  eventIdx: true,
  indirect: true,
  packed: false,
  inOrder: false,
  ringReset: true,
  notificationData: false,
  notifConfigData: false,
  vectors: undefined,
} as const;

/** Request queues of one disk: far more than the guest has processors to use them. */
export const MOST_BLOCK_QUEUES = 64;

/** Of a disk's `timeout`: a week, in seconds. */
export const LONGEST_TIMEOUT = 7 * 24 * 3600;

/** What every disk has unless its options, or its store, say otherwise. */
export const STANDARD_DISK = {
  base: undefined,
  timeout: 600,
  readonly: false,
  blkSize: 512,
  queues: 1,
  secureErase: false,
  configWce: true,
} as const;

/** Pairs of queues of one network device. */
export const MOST_QUEUE_PAIRS = 16;

/** The MTU of a network device: what an IPv4 host must take, and what a length field of 16 bits can say. */
export const MTU = { least: 68, most: 65535 } as const;

/** What every network device has unless its options, or its platform, say otherwise. */
export const STANDARD_NIC = {
  wire: "gateway",
  mac: undefined,
  relay: undefined,
  secret: undefined,
  name: undefined,
  gateway: true,
  mtu: 1500,
  speed: 1000,
  queues: 1,
  ctrlVq: true,
  mrgRxbuf: true,
  csum: true,
  guestCsum: true,
  hostTso4: true,
  hostTso6: true,
  guestTso4: true,
  guestTso6: true,
  guestAnnounce: true,
} as const;

/**
 * Whether the gateway fetches over HTTP for the guest, when nothing says so: a browser has its own rules about what a page may
 * reach, while in Node the guest would reach whatever this computer does.
 */
export const STANDARD_HTTP: Readonly<Record<Platform, boolean>> = { browser: true, node: false };

/** The transport of a device that the text does not name. The entropy device's is mmio, so that both are on show. */
const IMPLIED_TRANSPORT: Readonly<Record<DeviceConfig["device"], Transport>> = {
  console: "pci",
  rng: "mmio",
  blk: "pci",
  net: "pci",
};

/**
 * What every machine has unless its text names a device of that kind, or `device=none`: a machine of somebody's own
 * devices has a terminal (and with it the agent behind `exec`), a source of entropy and a network still.
 */
export function impliedDevices(platform: Platform): DeviceConfig[] {
  return [
    { ...STANDARD_DEVICE, device: "console", transport: IMPLIED_TRANSPORT.console },
    { ...STANDARD_DEVICE, device: "rng", transport: IMPLIED_TRANSPORT.rng },
    {
      ...STANDARD_DEVICE,
      ...STANDARD_NIC,
      device: "net",
      id: "net0",
      transport: IMPLIED_TRANSPORT.net,
      http: STANDARD_HTTP[platform],
    },
  ];
}

/** A copy-on-write disk over an image's own, as large as that. */
export function diskFrom(id: string, image: string, platform: Platform): BlockConfig {
  return { ...plainDisk(id, STANDARD_STORE[platform]), base: image, size: undefined, discard: true };
}

function plainDisk(id: string, store: "memory" | "idb"): BlockConfig {
  return {
    ...STANDARD_DEVICE,
    ...STANDARD_DISK,
    device: "blk",
    transport: IMPLIED_TRANSPORT.blk,
    id,
    store,
    size: STORES[store].size,
    path: undefined,
    discard: STORES[store].discards,
    writeZeroes: true,
  };
}

/** The machine of an empty text: the implied devices and one disk. A new object at each call. */
export function defaultMachine(platform: Platform): MachineConfig {
  return {
    image: "debian-busybox",
    memory: MEMORY.standard,
    append: "",
    mmio: "acpi",
    strict: false,
    devices: [...impliedDevices(platform), plainDisk("home", STANDARD_STORE[platform])],
  };
}
