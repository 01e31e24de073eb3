import type { DeviceKind } from "../spec.ts";

/** A feature bit for people. */
export interface FeatureText {
  bit: number;
  /** As the specification has it. */
  name: string;
  /** A sentence. */
  meaning: string;
  /** Of virtio 1.3: where it is explained. */
  section: string;
}

type Row = readonly [bit: number, name: string, section: string, meaning: string];

/** Of every kind of device: 6, and what 6.3 has for legacy interfaces. */
const COMMON: readonly Row[] = [
  [
    24,
    "NOTIFY_ON_EMPTY",
    "6.3",
    "Legacy: the device interrupts when a queue has run empty, whatever the driver asked for.",
  ],
  [
    27,
    "ANY_LAYOUT",
    "6.3",
    "Legacy: the device takes requests however their bytes are divided among descriptors.",
  ],
  [
    28,
    "INDIRECT_DESC",
    "2.7.5.3",
    "One descriptor may stand for a whole table of them elsewhere in memory, so that a long chain takes one entry of the ring.",
  ],
  [
    29,
    "EVENT_IDX",
    "2.7.10",
    "Each side writes the index from which on it wants to be notified, so that most kicks and interrupts can be left out.",
  ],
  [
    30,
    "UNUSED",
    "6.3",
    "Legacy: a bit that means nothing, and that only a driver takes which accepts everything without a look.",
  ],
  [32, "VERSION_1", "6.1", "Device and driver follow the specification from version 1.0 on."],
  [
    33,
    "ACCESS_PLATFORM",
    "6",
    "The device reaches memory only as the platform lets it, through an IOMMU for example.",
  ],
  [34, "RING_PACKED", "2.8", "Queues may be packed: one ring that both sides write, instead of three areas."],
  [35, "IN_ORDER", "2.7.9", "The device gives buffers back in the order in which they were made available."],
  [
    36,
    "ORDER_PLATFORM",
    "6",
    "Memory accesses of driver and device are ordered as the platform demands, as for hardware.",
  ],
  [37, "SR_IOV", "6", "The PCI device can be split into several virtual ones."],
  [
    38,
    "NOTIFICATION_DATA",
    "2.9",
    "A kick carries the driver's position in the ring, so that the device need not read it from memory.",
  ],
  [39, "NOTIF_CONFIG_DATA", "2.9", "The device chooses what a driver writes to a queue's doorbell."],
  [40, "RING_RESET", "2.6.1", "The driver may reset one queue without resetting the device."],
  [41, "ADMIN_VQ", "2.13", "The device has queues for administration commands."],
];

/** 5.1.3 */
const NETWORK: readonly Row[] = [
  [0, "CSUM", "5.1.6.2", "The device takes packets whose checksum is still to be filled in."],
  [
    1,
    "GUEST_CSUM",
    "5.1.6.4",
    "The driver takes packets whose checksum is not there or is known to be right.",
  ],
  [
    2,
    "CTRL_GUEST_OFFLOADS",
    "5.1.6.5.8",
    "The driver may switch its receive offloads on and off while it runs.",
  ],
  [3, "MTU", "5.1.4", "The device says how large a packet may be, in the field mtu."],
  [5, "MAC", "5.1.4", "The device has a MAC address of its own, in the field mac."],
  [7, "GUEST_TSO4", "5.1.6.4", "The driver takes TCP segments over IPv4 that are larger than the MTU."],
  [8, "GUEST_TSO6", "5.1.6.4", "The driver takes TCP segments over IPv6 that are larger than the MTU."],
  [9, "GUEST_ECN", "5.1.6.4", "Such segments may have the congestion bit of TCP set."],
  [10, "GUEST_UFO", "5.1.6.4", "The driver takes UDP datagrams larger than the MTU, to be fragmented."],
  [
    11,
    "HOST_TSO4",
    "5.1.6.2",
    "The device cuts large TCP segments over IPv4 into packets, or passes them on whole.",
  ],
  [
    12,
    "HOST_TSO6",
    "5.1.6.2",
    "The device cuts large TCP segments over IPv6 into packets, or passes them on whole.",
  ],
  [13, "HOST_ECN", "5.1.6.2", "The segments that it cuts may have the congestion bit of TCP set."],
  [14, "HOST_UFO", "5.1.6.2", "The device takes UDP datagrams larger than the MTU, to be fragmented."],
  [
    15,
    "MRG_RXBUF",
    "5.1.6.4",
    "A received packet may lie in several receive buffers, so that the driver can give small ones.",
  ],
  [16, "STATUS", "5.1.4", "The field status says whether there is a link."],
  [17, "CTRL_VQ", "5.1.6.5", "There is a control queue, for commands to the device."],
  [
    18,
    "CTRL_RX",
    "5.1.6.5.1",
    "The driver may choose which packets it wants: all, all multicasts, or by address.",
  ],
  [19, "CTRL_VLAN", "5.1.6.5.3", "The driver may choose which VLANs it wants packets of."],
  [20, "CTRL_RX_EXTRA", "5.1.6.5.1", "More ways to choose: no unicasts, no multicasts, no broadcasts."],
  [
    21,
    "GUEST_ANNOUNCE",
    "5.1.6.5.4",
    "The device may ask the driver to make its address known in the network again.",
  ],
  [
    22,
    "MQ",
    "5.1.6.5.6",
    "There are several pairs of queues; packets of one connection arrive at the pair that sent for it.",
  ],
  [23, "CTRL_MAC_ADDR", "5.1.6.5.2", "The driver may set the MAC address by a command, in one piece."],
  [51, "HASH_TUNNEL", "5.1.6.4.4", "The device hashes the headers inside encapsulated packets."],
  [52, "VQ_NOTF_COAL", "5.1.6.5.9", "Interrupts can be delayed and collected, queue by queue."],
  [53, "NOTF_COAL", "5.1.6.5.9", "Interrupts can be delayed and collected."],
  [
    54,
    "GUEST_USO4",
    "5.1.6.4",
    "The driver takes UDP over IPv4 larger than the MTU, as several datagrams in one.",
  ],
  [
    55,
    "GUEST_USO6",
    "5.1.6.4",
    "The driver takes UDP over IPv6 larger than the MTU, as several datagrams in one.",
  ],
  [56, "HOST_USO", "5.1.6.2", "The device cuts large UDP packets into datagrams."],
  [57, "HASH_REPORT", "5.1.6.4.5", "The device tells the hash of each received packet."],
  [59, "GUEST_HDRLEN", "5.1.6.2", "The driver gives the exact length of a packet's headers."],
  [
    60,
    "RSS",
    "5.1.6.5.7",
    "The driver chooses how packets are spread over its receive queues by their hash.",
  ],
  [61, "RSC_EXT", "5.1.6.4", "The device tells how many segments it has put together to one."],
  [62, "STANDBY", "5.1.3", "The device stands in for another one with the same MAC address."],
  [63, "SPEED_DUPLEX", "5.1.4", "The device tells its speed, and whether it can send and receive at once."],
];

/** 5.2.3 */
const BLOCK: readonly Row[] = [
  [0, "BARRIER", "5.2.3.1", "Legacy: requests may ask not to be reordered."],
  [1, "SIZE_MAX", "5.2.4", "The field size_max says how large one segment of a request may be."],
  [2, "SEG_MAX", "5.2.4", "The field seg_max says how many segments a request may have."],
  [4, "GEOMETRY", "5.2.4", "The device tells cylinders, heads and sectors, as old disks had them."],
  [5, "RO", "5.2.3", "The disk can only be read."],
  [6, "BLK_SIZE", "5.2.4", "The field blk_size says how large a block of the disk is."],
  [7, "SCSI", "5.2.3.1", "Legacy: the device takes SCSI commands."],
  [
    9,
    "FLUSH",
    "5.2.6",
    "The device has a cache, and a command that makes what was written before it durable.",
  ],
  [10, "TOPOLOGY", "5.2.4", "The device tells which sizes and alignments of requests are best."],
  [11, "CONFIG_WCE", "5.2.5", "The driver may switch the cache between write-back and write-through."],
  [12, "MQ", "5.2.4", "There are several request queues; num_queues says how many."],
  [
    13,
    "DISCARD",
    "5.2.6",
    "The driver may tell which sectors it no longer needs, so that storage can be given back.",
  ],
  [14, "WRITE_ZEROES", "5.2.6", "The driver may have zeroes written without sending them."],
  [15, "LIFETIME", "5.2.6", "The device tells how worn its memory cells are."],
  [
    16,
    "SECURE_ERASE",
    "5.2.6",
    "The driver may have sectors erased so that nothing of them is left anywhere.",
  ],
  [17, "ZONED", "5.2.6", "The disk has zones that are written from their beginning to their end."],
];

/** 5.3.3 */
const CONSOLE: readonly Row[] = [
  [0, "SIZE", "5.3.4", "The fields cols and rows say how large the terminal is."],
  [
    1,
    "MULTIPORT",
    "5.3.6.2",
    "There are several ports, each with two queues, and two queues for messages about them.",
  ],
  [2, "EMERG_WRITE", "5.3.4", "The driver may write a character through a register before any queue works."],
];

const KINDS: Readonly<Record<DeviceKind, { prefix: string; rows: readonly Row[] }>> = {
  network: { prefix: "VIRTIO_NET_F_", rows: NETWORK },
  block: { prefix: "VIRTIO_BLK_F_", rows: BLOCK },
  console: { prefix: "VIRTIO_CONSOLE_F_", rows: CONSOLE },
  entropy: { prefix: "VIRTIO_RNG_F_", rows: [] },
};

const TEXTS = new Map(
  (Object.keys(KINDS) as DeviceKind[]).map((kind): [DeviceKind, readonly FeatureText[]] => {
    const { prefix, rows } = KINDS[kind];
    const own = rows.map((row) => text(prefix, row));
    const common = COMMON.map((row) => text("VIRTIO_F_", row));
    return [kind, [...own, ...common].sort((a, b) => a.bit - b.bit)];
  }),
);

/** The feature bits that a kind of device can have, by their number; those of every device among them. */
export function featureTexts(kind: DeviceKind): readonly FeatureText[] {
  return TEXTS.get(kind)!;
}

function text(prefix: string, [bit, name, section, meaning]: Row): FeatureText {
  return { bit, name: `${prefix}${name}`, meaning, section };
}
