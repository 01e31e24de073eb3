import {
  defaultMachine,
  DISK,
  LONGEST_TIMEOUT,
  MEMORY,
  MOST_BLOCK_QUEUES,
  MOST_QUEUE_PAIRS,
  MOST_VECTORS,
  MTU,
  STANDARD_DEVICE,
  STANDARD_DISK,
  STANDARD_HTTP,
  STANDARD_NIC,
  STANDARD_STORE,
  STORES,
  type Platform,
} from "./defaults.ts";
import type { Candidate } from "./similar.ts";
import type {
  BlockConfig,
  CommonDeviceConfig,
  DeviceConfig,
  DiskStore,
  MachineConfig,
  NetConfig,
  Transport,
} from "./types.ts";
import { choice, formatSize, onOff, oneOf, size, text, type ValueType, wholeNumber } from "./values.ts";
import { macType, relayType, roomOf, wireType } from "./wire.ts";

/**
 * The words of the grammar as tables. The parser, the formatter, the help, the error messages and the page's forms
 * all come from these; a new option is one entry here and one property in ./types.ts, and the compiler asks for the
 * one when it sees the other.
 */
export interface Option<Owner, Value> {
  /** How it is called in the text. */
  readonly word: string;
  readonly type: ValueType<Exclude<Value, undefined>>;
  readonly help: string;
  /** What people used to other hypervisors might write; never accepted, only understood. */
  readonly akin?: readonly string[];
  /** The value when the text has none. `known` holds the options before this one in the table. */
  standard(known: Partial<Owner>, context: Context): Value;
  /** That value for the help, where it is not the same everywhere. */
  readonly standardHelp?: string;
}

export interface Context {
  platform: Platform;
  /** How many devices of the same kind stand before this one. */
  position: number;
}

export type OptionTable<Owner> = {
  readonly [Key in Exclude<keyof Owner, "device" | "devices">]: Option<Owner, Owner[Key]>;
};

export const MACHINE_WORDS: OptionTable<MachineConfig> = {
  image: {
    word: "image",
    type: text({
      syntax: "NAME",
      mostBytes: 64,
      pattern: /^[a-z0-9][a-z0-9._-]*$/,
      expected: "an image's name: small letters, digits, dots, dashes and underscores",
    }),
    help: "the guest to boot",
    akin: ["guest", "kernel", "os"],
    standard: (_, { platform }) => defaultMachine(platform).image,
  },
  memory: {
    word: "memory",
    type: size({ what: "memory", ...MEMORY }),
    help: "the machine's memory, 64M to 2G in steps of 1M",
    akin: ["mem", "ram", "m"],
    standard: (_, { platform }) => defaultMachine(platform).memory,
  },
  append: {
    word: "append",
    type: text({
      syntax: "TEXT",
      // Linux's COMMAND_LINE_SIZE on x86 is 2048, and the image's own parameters need their part of it.
      mostBytes: 1536,
      expected: "kernel parameters, without control characters",
    }),
    help: "kernel parameters after the image's own",
    akin: ["cmdline", "args", "parameters"],
    standard: (_, { platform }) => defaultMachine(platform).append,
  },
  mmio: {
    word: "mmio",
    type: choice("acpi", { name: "cmdline", akin: ["kernel", "parameters"] }),
    help: "how mmio devices are announced; cmdline: to kernels that look there",
    akin: ["announce"],
    standard: (_, { platform }) => defaultMachine(platform).mmio,
  },
  strict: {
    word: "strict",
    type: onOff,
    help: "report whatever the guest's drivers do against virtio 1.3",
    akin: ["check", "audit", "pedantic"],
    standard: (_, { platform }) => defaultMachine(platform).strict,
  },
};

/** What every device understands. */
export const COMMON_OPTIONS: OptionTable<CommonDeviceConfig> = {
  transport: {
    word: "transport",
    type: choice(
      { name: "pci", akin: ["virtio-pci"] },
      { name: "pci-transitional", akin: ["transitional", "virtio-pci-transitional"] },
      { name: "mmio", akin: ["virtio-mmio"] },
      { name: "mmio-legacy", akin: ["legacy", "virtio-mmio-legacy"] },
    ),
    help: "the register file in front of it",
    akin: ["bus"],
    standard: () => STANDARD_DEVICE.transport,
  },
  eventIdx: {
    word: "event_idx",
    type: onOff,
    help: "offer VIRTIO_F_EVENT_IDX",
    standard: () => STANDARD_DEVICE.eventIdx,
  },
  indirect: {
    word: "indirect",
    type: onOff,
    help: "offer VIRTIO_F_INDIRECT_DESC",
    akin: ["indirect_desc"],
    standard: () => STANDARD_DEVICE.indirect,
  },
  packed: {
    word: "packed",
    type: onOff,
    help: "offer VIRTIO_F_RING_PACKED",
    akin: ["ring_packed"],
    standard: () => STANDARD_DEVICE.packed,
  },
  inOrder: {
    word: "in_order",
    type: onOff,
    help: "offer VIRTIO_F_IN_ORDER",
    standard: () => STANDARD_DEVICE.inOrder,
  },
  ringReset: {
    word: "ring_reset",
    type: onOff,
    help: "offer VIRTIO_F_RING_RESET",
    akin: ["queue_reset"],
    standard: ({ transport }) => !isLegacy(transport) && STANDARD_DEVICE.ringReset,
    standardHelp: "on, with transport=mmio-legacy off",
  },
  notificationData: {
    word: "notification_data",
    type: onOff,
    help: "offer VIRTIO_F_NOTIFICATION_DATA",
    akin: ["notify_data"],
    standard: () => STANDARD_DEVICE.notificationData,
  },
  notifConfigData: {
    word: "notif_config_data",
    type: onOff,
    help: "offer VIRTIO_F_NOTIF_CONFIG_DATA, on PCI only",
    akin: ["notification_config_data"],
    standard: () => STANDARD_DEVICE.notifConfigData,
  },
  vectors: {
    word: "vectors",
    type: wholeNumber({ what: "MSI-X vectors", least: 0, most: MOST_VECTORS }),
    help: "entries of its MSI-X table, on PCI; 0: no MSI-X",
    standard: () => STANDARD_DEVICE.vectors,
    standardHelp: "one a queue and one more",
  },
};

const BLOCK_OPTIONS: OptionTable<BlockConfig> = {
  id: {
    word: "id",
    type: text({
      syntax: "NAME",
      mostBytes: 20,
      pattern: /^[A-Za-z0-9._-]+$/,
      expected: "a disk's name: letters, digits, dots, dashes and underscores",
    }),
    help: "its name in a store, its serial number in the guest",
    akin: ["name", "serial"],
    standard: (_, { position }) => `disk${position}`,
    standardHelp: "disk0, disk1, …",
  },
  path: {
    word: "path",
    type: text({ syntax: "FILE", mostBytes: 4096, pattern: /^./u, expected: "the path of a file" }),
    help: "the file of store=file, which then goes without saying",
    akin: ["file", "filename"],
    standard: () => undefined,
  },
  base: {
    word: "base",
    type: text({
      syntax: "IMAGE",
      mostBytes: 2048,
      pattern: /^\S(.*\S)?$/u,
      expected: "the name of an image, or the address of a packed disk image",
    }),
    help: "shown where nothing was written: an image's disk, or a URL or path",
    akin: ["backing", "backing_file", "image", "url"],
    standard: () => STANDARD_DISK.base,
  },
  timeout: {
    word: "timeout",
    type: wholeNumber({ what: "seconds", least: 1, most: LONGEST_TIMEOUT }),
    help: "seconds that I/O waits for a base's server before it fails",
    akin: ["reconnect-delay", "reconnect", "patience"],
    standard: () => STANDARD_DISK.timeout,
  },
  store: {
    word: "store",
    type: choice("memory", "file", { name: "idb", akin: ["indexeddb"] }),
    help: "where its bytes are",
    akin: ["backend", "driver"],
    standard: ({ path }, { platform }) => (path === undefined ? STANDARD_STORE[platform] : "file"),
    standardHelp: "idb in the browser, memory in Node",
  },
  size: {
    word: "size",
    type: size({ what: "a disk", ...DISK }),
    help: "up to 1T, in steps of 512",
    akin: ["capacity"],
    standard: ({ store, base }) =>
      store === undefined || base !== undefined ? undefined : STORES[store].size,
    standardHelp: "64M in memory, 256M in idb, what a file or base has",
  },
  readonly: {
    word: "readonly",
    type: onOff,
    help: "the guest cannot write to it",
    akin: ["ro", "read-only", "read_only"],
    standard: () => STANDARD_DISK.readonly,
  },
  blkSize: {
    word: "blk_size",
    type: oneOf(512, 1024, 2048, 4096),
    help: "bytes in a logical block",
    akin: ["logical_block_size", "block_size", "sector_size"],
    standard: () => STANDARD_DISK.blkSize,
  },
  queues: {
    word: "queues",
    type: wholeNumber({ what: "queues", least: 1, most: MOST_BLOCK_QUEUES }),
    help: "request queues; more than one: VIRTIO_BLK_F_MQ",
    akin: ["num-queues", "num_queues", "mq"],
    standard: () => STANDARD_DISK.queues,
  },
  discard: {
    word: "discard",
    type: onOff,
    help: "offer VIRTIO_BLK_F_DISCARD",
    akin: ["trim", "unmap"],
    standard: ({ store, base, readonly }) =>
      readonly !== true && store !== undefined && rangesOf(store, base).discards,
    standardHelp: "on, for a raw file or a readonly disk off",
  },
  writeZeroes: {
    word: "write_zeroes",
    type: onOff,
    help: "offer VIRTIO_BLK_F_WRITE_ZEROES",
    akin: ["write-zeroes", "write_zeros"],
    standard: ({ readonly }) => readonly !== true,
    standardHelp: "on, for a readonly disk off",
  },
  secureErase: {
    word: "secure_erase",
    type: onOff,
    help: "offer VIRTIO_BLK_F_SECURE_ERASE, in memory only",
    akin: ["secure-erase", "erase"],
    standard: () => STANDARD_DISK.secureErase,
  },
  configWce: {
    word: "config_wce",
    type: onOff,
    help: "offer VIRTIO_BLK_F_CONFIG_WCE",
    akin: ["config-wce", "wce", "writeback", "write-cache"],
    standard: () => STANDARD_DISK.configWce,
  },
  ...COMMON_OPTIONS,
};

const NET_OPTIONS: OptionTable<NetConfig> = {
  id: {
    word: "id",
    type: text({
      syntax: "NAME",
      mostBytes: 20,
      pattern: /^[A-Za-z0-9._-]+$/,
      expected: "a name for the device: letters, digits, dots, dashes and underscores",
    }),
    help: "tells it apart from the machine's other ones",
    standard: (_, { position }) => `net${position}`,
    standardHelp: "net0, net1, …",
  },
  wire: {
    word: "wire",
    type: wireType,
    help: "what it is plugged into, see below",
    akin: ["netdev", "network", "net", "backend", "room"],
    standard: () => STANDARD_NIC.wire,
  },
  mac: {
    word: "mac",
    type: macType,
    help: "its MAC address",
    akin: ["macaddr", "hwaddr", "address"],
    standard: () => STANDARD_NIC.mac,
    standardHelp: "a random one",
  },
  relay: {
    word: "relay",
    type: relayType,
    help: "URLs of relays, spaces between",
    akin: ["url", "server", "relay_url", "proxy"],
    standard: () => STANDARD_NIC.relay,
    standardHelp: "the page's own, or ws://localhost:8086/relay",
  },
  secret: {
    word: "secret",
    type: text({ syntax: "TEXT", mostBytes: 256, pattern: /^./u, expected: "the room's secret" }),
    help: "the room's secret, if it has one",
    akin: ["password", "key", "token"],
    standard: () => STANDARD_NIC.secret,
  },
  name: {
    word: "name",
    type: text({
      syntax: "NAME",
      mostBytes: 63,
      pattern: /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/,
      expected: "a host's name: letters, digits and dashes",
    }),
    help: "what the others in a room see, and the gateway's DNS knows",
    akin: ["hostname", "nick"],
    standard: () => STANDARD_NIC.name,
  },
  gateway: {
    word: "gateway",
    type: onOff,
    help: "a gateway in front of a room or tabs: DHCP, DNS, an address to ping",
    akin: ["dhcp", "nat"],
    standard: () => STANDARD_NIC.gateway,
  },
  http: {
    word: "http",
    type: onOff,
    help: "the gateway fetches for the guest over HTTP",
    akin: ["fetch", "web"],
    standard: (_, { platform }) => STANDARD_HTTP[platform],
    standardHelp: "on in the browser, off in Node",
  },
  mtu: {
    word: "mtu",
    type: wholeNumber({ what: "bytes", ...MTU }),
    help: "VIRTIO_NET_F_MTU: bytes of a frame's payload",
    akin: ["host_mtu"],
    standard: () => STANDARD_NIC.mtu,
  },
  speed: {
    word: "speed",
    type: wholeNumber({ what: "Mbit/s", least: 0, most: 0x7fffffff }),
    help: "VIRTIO_NET_F_SPEED_DUPLEX: Mbit/s that it says it has",
    standard: () => STANDARD_NIC.speed,
  },
  queues: {
    word: "queues",
    type: wholeNumber({ what: "queues", least: 1, most: MOST_QUEUE_PAIRS }),
    help: "pairs of queues; more than one: VIRTIO_NET_F_MQ",
    akin: ["num-queues", "num_queues", "mq"],
    standard: () => STANDARD_NIC.queues,
  },
  ctrlVq: {
    word: "ctrl_vq",
    type: onOff,
    help: "offer VIRTIO_NET_F_CTRL_VQ, and what is done over it",
    akin: ["ctrl", "ctrl_rx", "ctrl_vlan", "ctrl_mac_addr", "ctrl_guest_offloads"],
    standard: () => STANDARD_NIC.ctrlVq,
  },
  mrgRxbuf: {
    word: "mrg_rxbuf",
    type: onOff,
    help: "offer VIRTIO_NET_F_MRG_RXBUF",
    standard: () => STANDARD_NIC.mrgRxbuf,
  },
  csum: {
    word: "csum",
    type: onOff,
    help: "offer VIRTIO_NET_F_CSUM",
    akin: ["checksum"],
    standard: () => STANDARD_NIC.csum,
  },
  guestCsum: {
    word: "guest_csum",
    type: onOff,
    help: "offer VIRTIO_NET_F_GUEST_CSUM",
    standard: () => STANDARD_NIC.guestCsum,
  },
  hostTso4: {
    word: "host_tso4",
    type: onOff,
    help: "offer VIRTIO_NET_F_HOST_TSO4",
    akin: ["tso", "tso4"],
    standard: ({ csum }) => csum !== false,
    standardHelp: "on, without csum off",
  },
  hostTso6: {
    word: "host_tso6",
    type: onOff,
    help: "offer VIRTIO_NET_F_HOST_TSO6",
    akin: ["tso6"],
    standard: ({ csum }) => csum !== false,
    standardHelp: "on, without csum off",
  },
  guestTso4: {
    word: "guest_tso4",
    type: onOff,
    help: "offer VIRTIO_NET_F_GUEST_TSO4",
    akin: ["gro", "lro"],
    standard: ({ guestCsum }) => guestCsum !== false,
    standardHelp: "on, without guest_csum off",
  },
  guestTso6: {
    word: "guest_tso6",
    type: onOff,
    help: "offer VIRTIO_NET_F_GUEST_TSO6",
    standard: ({ guestCsum }) => guestCsum !== false,
    standardHelp: "on, without guest_csum off",
  },
  guestAnnounce: {
    word: "guest_announce",
    type: onOff,
    help: "offer VIRTIO_NET_F_GUEST_ANNOUNCE",
    akin: ["announce"],
    standard: ({ ctrlVq }) => ctrlVq !== false,
    standardHelp: "on, without ctrl_vq off",
  },
  ...COMMON_OPTIONS,
};

/** One kind of device. */
export interface DeviceKind<Config extends DeviceConfig> {
  readonly help: string;
  readonly akin: readonly string[];
  readonly options: OptionTable<Config>;
  /** How many a machine may have, where that is less than the machine's own limit. */
  readonly most?: number;
  /** What no table of single options can say. Returns the option to point at, and the problem. */
  check?(config: Config): Conflict | undefined;
}

interface Conflict {
  word: string;
  problem: string;
  expected: string;
}

export const DEVICE_KINDS: {
  readonly [Config in DeviceConfig as Config["device"]]: DeviceKind<Config>;
} = {
  console: {
    help: "the terminal, and the agent that runs commands in the guest",
    akin: ["serial", "virtio-console", "tty"],
    options: COMMON_OPTIONS,
    most: 1,
    check: checkTransport,
  },
  rng: {
    help: "entropy for the guest",
    akin: ["entropy", "random", "virtio-rng"],
    options: COMMON_OPTIONS,
    check: checkTransport,
  },
  net: {
    help: "a network",
    akin: ["nic", "network", "ethernet", "virtio-net", "netdev", "eth"],
    options: NET_OPTIONS,
    check: (config) => checkTransport(config) ?? checkNic(config),
  },
  blk: {
    help: "a disk",
    akin: ["block", "disk", "drive", "virtio-blk"],
    options: BLOCK_OPTIONS,
    check: (config) => checkTransport(config) ?? checkDisk(config),
  },
};

/** A legacy device has feature bits 0 to 31 only, and nothing that came with virtio 1.0 or later (virtio 1.3, 2.2.3). */
function isLegacy(transport: Transport | undefined): boolean {
  return transport === "mmio-legacy";
}

/** What only some transports have. */
function checkTransport(config: CommonDeviceConfig): Conflict | undefined {
  const { transport, notifConfigData, vectors } = config;
  const modern = (["packed", "inOrder", "ringReset", "notificationData"] as const).find((key) => config[key]);
  if (modern && isLegacy(transport)) {
    const { word } = COMMON_OPTIONS[modern];
    return {
      word,
      problem: `A device with transport=${transport} has no ${word}, which came after version 1 of virtio-mmio`,
      expected: `${word}=off, or transport=mmio`,
    };
  }
  if (transport.startsWith("pci")) return undefined;
  if (notifConfigData) {
    return {
      word: "notif_config_data",
      problem: `A device with transport=${transport} has no notif_config_data`,
      expected: "notif_config_data=on only with transport=pci",
    };
  }
  if (vectors === undefined) return undefined;
  return {
    word: "vectors",
    problem: `A device with transport=${transport} has no MSI-X`,
    expected: "vectors only with transport=pci or pci-transitional",
  };
}

function checkDisk(config: BlockConfig): Conflict | undefined {
  const { store, path, size: bytes, blkSize } = config;
  if (store === "file" && path === undefined) {
    return {
      word: "store",
      problem: "A disk with store=file needs its file",
      expected: "path=FILE beside it",
    };
  }
  if (store !== "file" && path !== undefined) {
    return {
      word: "path",
      problem: `A disk with store=${store} has no path`,
      expected: "path only with store=file",
    };
  }
  const most = STORES[store].most ?? DISK.most;
  if (bytes !== undefined && bytes > most) {
    const given = formatSize(bytes);
    return {
      word: "size",
      problem: `${given} is too much for a disk with store=${store}`,
      expected: `at most ${formatSize(most)}`,
    };
  }
  if (bytes !== undefined && bytes % blkSize !== 0) {
    return {
      word: "blk_size",
      problem: `A disk of ${formatSize(bytes)} cannot be divided into blocks of ${blkSize} bytes`,
      expected: `a size in steps of ${blkSize} bytes`,
    };
  }
  if (config.base === undefined && config.timeout !== STANDARD_DISK.timeout) {
    return {
      word: "timeout",
      problem: "A disk without a base waits for no server",
      expected: "timeout only with base=IMAGE",
    };
  }
  return checkRangeRequests(config);
}

/**
 * Which requests for whole ranges a disk can do. With a base, what is in the store is changes, which any store can drop, and
 * what the base has cannot be erased.
 */
function rangesOf(store: DiskStore, base: string | undefined): { discards: boolean; erases: boolean } {
  return base === undefined ? STORES[store] : { discards: true, erases: false };
}

/** What a disk can only do if its store can, and if it may be written. */
function checkRangeRequests({ store, base, readonly, ...config }: BlockConfig): Conflict | undefined {
  const { discards, erases } = rangesOf(store, base);
  const possible = { discard: discards, writeZeroes: true, secureErase: erases } as const;
  for (const key of ["discard", "writeZeroes", "secureErase"] as const) {
    if (!config[key] || (possible[key] && !readonly)) continue;
    const { word } = BLOCK_OPTIONS[key];
    return {
      word,
      problem: `A disk ${readonly ? "that is readonly" : `with ${base === undefined ? `store=${store}` : "a base"}`} has no ${word}`,
      expected: `${word}=off`,
    };
  }
  return undefined;
}

/** What a feature needs of others (virtio 1.3, 5.1.3.1), and an option of its wire. */
function checkNic(config: NetConfig): Conflict | undefined {
  const needs = [
    ["hostTso4", "csum"],
    ["hostTso6", "csum"],
    ["guestTso4", "guestCsum"],
    ["guestTso6", "guestCsum"],
    ["guestAnnounce", "ctrlVq"],
  ] as const;
  for (const [key, needed] of needs) {
    if (!config[key] || config[needed]) continue;
    const [word, other] = [NET_OPTIONS[key].word, NET_OPTIONS[needed].word];
    return {
      word,
      problem: `A network device without ${other} has no ${word}`,
      expected: `${word}=off, or ${other}=on`,
    };
  }
  if (config.queues > 1 && !config.ctrlVq) {
    return {
      word: "queues",
      problem: "A network device without ctrl_vq has one pair of queues",
      expected: "queues=1, or ctrl_vq=on",
    };
  }
  const needsRoom = (["relay", "secret"] as const).find((key) => config[key] !== undefined);
  if (needsRoom && roomOf(config.wire) === undefined) {
    return {
      word: needsRoom,
      problem: `A network device with wire=${config.wire} has no ${needsRoom}`,
      expected: `${needsRoom} only with wire=room:NAME`,
    };
  }
  return undefined;
}

/** A table as the generic code sees it: property and option. The tables' own types have checked that they match. */
export function entries(table: object): [key: string, option: Option<object, unknown>][] {
  return Object.entries(table) as [string, Option<object, unknown>][];
}

/** A kind of device as the generic code sees it; its own row's type has checked its rules against its configuration. */
export function kindOf(kind: DeviceConfig["device"]): DeviceKind<DeviceConfig> {
  const kinds: Record<DeviceConfig["device"], DeviceKind<DeviceConfig>> = DEVICE_KINDS;
  return kinds[kind];
}

/** A table's words with what else people call them. */
export function candidates(table: object): Candidate[] {
  return entries(table).map(([, { word, akin }]) => ({ name: word, ...(akin && { akin }) }));
}
