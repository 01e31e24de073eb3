/** Numbers of the OASIS virtio 1.3 specification, each with its section. */

/** Device status bits, 2.1. */
export const Status = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** Device types, 5. */
export const DeviceType = { network: 1, block: 2, console: 3, entropy: 4 } as const;

export type DeviceKind = keyof typeof DeviceType;

/** Feature bits by device type; `common` are the reserved ones of section 6. */
export const Feature = {
  common: {
    ANY_LAYOUT: 27n, // 6.3, legacy only
    UNUSED: 30n, // 6.3, legacy only: no driver that knows what it accepts takes it
    INDIRECT_DESC: 28n, // 2.7.5.3
    EVENT_IDX: 29n, // 2.7.10
    VERSION_1: 32n, // 6.1
    RING_PACKED: 34n, // 2.8
    IN_ORDER: 35n, // 2.7.9, 2.8.8
    NOTIFICATION_DATA: 38n, // 2.9
    NOTIF_CONFIG_DATA: 39n, // 2.9, PCI only
    RING_RESET: 40n, // 2.6.1
  },
  network: {
    CSUM: 0n, // 5.1.3
    GUEST_CSUM: 1n,
    CTRL_GUEST_OFFLOADS: 2n,
    MTU: 3n,
    MAC: 5n,
    GUEST_TSO4: 7n,
    GUEST_TSO6: 8n,
    GUEST_ECN: 9n,
    GUEST_UFO: 10n,
    HOST_TSO4: 11n,
    HOST_TSO6: 12n,
    HOST_ECN: 13n,
    HOST_UFO: 14n,
    MRG_RXBUF: 15n,
    STATUS: 16n,
    CTRL_VQ: 17n,
    CTRL_RX: 18n,
    CTRL_VLAN: 19n,
    CTRL_RX_EXTRA: 20n,
    GUEST_ANNOUNCE: 21n,
    MQ: 22n,
    CTRL_MAC_ADDR: 23n,
    GUEST_USO4: 54n,
    GUEST_USO6: 55n,
    HOST_USO: 56n,
    SPEED_DUPLEX: 63n,
  },
  block: {
    SIZE_MAX: 1n, // 5.2.3
    SEG_MAX: 2n,
    GEOMETRY: 4n,
    RO: 5n,
    BLK_SIZE: 6n,
    FLUSH: 9n,
    TOPOLOGY: 10n,
    CONFIG_WCE: 11n,
    MQ: 12n,
    DISCARD: 13n,
    WRITE_ZEROES: 14n,
    LIFETIME: 15n,
    SECURE_ERASE: 16n,
  },
  console: {
    SIZE: 0n, // 5.3.3
    MULTIPORT: 1n,
    EMERG_WRITE: 2n,
  },
  entropy: {},
} as const;

/** Descriptor flags of both layouts, 2.7.5 and 2.8.3 to 2.8.7. */
export const Descriptor = { NEXT: 1, WRITE: 2, INDIRECT: 4, BYTES: 16 } as const;

/** Flags that a packed ring adds, 2.8.1. */
export const Packed = { AVAIL: 1 << 7, USED: 1 << 15 } as const;

/** RING_EVENT_FLAGS of a packed ring's event suppression structures, 2.8.10. */
export const RingEvent = { ENABLE: 0, DISABLE: 1, DESC: 2, BYTES: 4 } as const;

/** avail.flags and used.flags, 2.7.6 and 2.7.8. */
export const AVAIL_NO_INTERRUPT = 1;
export const USED_NO_NOTIFY = 1;

/** Interrupt status, 4.1.4.5 and 4.2.2 (InterruptStatus). */
export const Interrupt = { QUEUE: 1, CONFIG: 2 } as const;

/** The largest queue, 2.7 and 2.8. */
export const MAX_QUEUE_SIZE = 32768;

export const PCI_VENDOR = 0x1af4; // 4.1.2
export const PCI_DEVICE_BASE = 0x1040; // 4.1.2: plus the device type
/** 4.1.2.1: PCI device IDs of transitional devices, by device type. */
export const PCI_TRANSITIONAL_DEVICES: Readonly<Record<number, number>> = {
  1: 0x1000, // network
  2: 0x1001, // block
  3: 0x1003, // console
  4: 0x1005, // entropy
  5: 0x1002, // memory ballooning (traditional)
  8: 0x1004, // SCSI host
  9: 0x1009, // 9P transport
};
export const NO_VECTOR = 0xffff; // 4.1.5.1.2

/** cfg_type of the vendor-specific PCI capabilities, 4.1.4. */
export const PciCap = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;

export const MMIO_MAGIC = 0x74726976; // "virt", 4.2.2
export const MMIO_VERSION = 2; // 4.2.2
export const MMIO_LEGACY_VERSION = 1; // 4.2.4

/** Bits of a network device's `status`, 5.1.4. */
export const NetStatus = { LINK_UP: 1, ANNOUNCE: 2 } as const;

/** Commands of a network device's control queue by class, 5.1.6.5. */
export const NetControl = {
  OK: 0,
  ERR: 1,
  RX: 0,
  RX_PROMISC: 0,
  RX_ALLMULTI: 1,
  RX_ALLUNI: 2,
  RX_NOMULTI: 3,
  RX_NOUNI: 4,
  RX_NOBCAST: 5,
  MAC: 1,
  MAC_TABLE_SET: 0,
  MAC_ADDR_SET: 1,
  VLAN: 2,
  VLAN_ADD: 0,
  VLAN_DEL: 1,
  ANNOUNCE: 3,
  ANNOUNCE_ACK: 0,
  MQ: 4,
  MQ_VQ_PAIRS_SET: 0,
  GUEST_OFFLOADS: 5,
  GUEST_OFFLOADS_SET: 0,
} as const;

/** Block requests, 5.2.6. */
export const Block = {
  IN: 0,
  OUT: 1,
  FLUSH: 4,
  /** What legacy drivers may call a flush, 5.2.6.3. */
  FLUSH_OUT: 5,
  GET_ID: 8,
  DISCARD: 11,
  WRITE_ZEROES: 13,
  SECURE_ERASE: 14,
  ID_BYTES: 20,
  SECTOR: 512,
  HEADER_BYTES: 16,
  /** struct virtio_blk_discard_write_zeroes. */
  SEGMENT_BYTES: 16,
  OK: 0,
  IOERR: 1,
  UNSUPP: 2,
} as const;

/** Console control messages, 5.3.6.2. */
export const ConsoleControl = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
  HEADER_BYTES: 8,
} as const;

/** Names of the bits in `features`, for people: a bit that nobody named is "bit N". */
export function featureNames(kind: DeviceKind, features: bigint): string[] {
  const names: [string, bigint][] = [...Object.entries(Feature[kind]), ...Object.entries(Feature.common)];
  const known = new Map(names.map(([name, bit]) => [bit, name]));
  const result: string[] = [];
  for (let bit = 0n; bit < 64n; bit++) {
    if ((features >> bit) & 1n) result.push(known.get(bit) ?? `bit ${bit.toString()}`);
  }
  return result;
}
