/** What a machine is made of. The grammar (./grammar.ts) turns text into this and back. */
export interface MachineConfig {
  /** Name of the guest image, a folder under `images/`. */
  image: string;
  /** Guest memory in bytes, a multiple of 1 MiB from 64 MiB to 2 GiB. */
  memory: number;
  /** Parameters put after those of the image on the kernel's command line. */
  append: string;
  /** How the guest learns of its virtio-mmio devices. */
  mmio: MmioAnnouncement;
  /** Whatever virtio 1.3 demands of the guest's drivers and a device can see is checked. */
  strict: boolean;
  /** In the order in which they stand on the bus. */
  devices: DeviceConfig[];
}

/** Which register file stands in front of the device model: a PCI function or an MMIO page. */
export type Transport = "pci" | "pci-transitional" | "mmio" | "mmio-legacy";

/** From the DSDT, or from `virtio_mmio.device=` parameters on the kernel's command line. */
export type MmioAnnouncement = "acpi" | "cmdline";

/** Where the bytes of a disk live: in memory, in a file (Node) or in IndexedDB (browser). */
export type DiskStore = "memory" | "file" | "idb";

export interface CommonDeviceConfig {
  transport: Transport;
  /** VIRTIO_F_EVENT_IDX offered (virtio 1.3, 2.7.10). */
  eventIdx: boolean;
  /** VIRTIO_F_INDIRECT_DESC offered (virtio 1.3, 2.7.5.3). */
  indirect: boolean;
  /** VIRTIO_F_RING_PACKED offered (virtio 1.3, 2.8). */
  packed: boolean;
  /** VIRTIO_F_IN_ORDER offered (virtio 1.3, 2.7.9 and 2.8.8). */
  inOrder: boolean;
  /** VIRTIO_F_RING_RESET offered (virtio 1.3, 2.6.1). */
  ringReset: boolean;
  /** VIRTIO_F_NOTIFICATION_DATA offered (virtio 1.3, 2.9). */
  notificationData: boolean;
  /** VIRTIO_F_NOTIF_CONFIG_DATA offered (virtio 1.3, 2.9); on PCI only. */
  notifConfigData: boolean;
  /** Entries of the MSI-X table, 0 to 2048; 0: no MSI-X. Undefined: one for each queue and one more; also without PCI. */
  vectors: number | undefined;
}

export interface BlockConfig extends CommonDeviceConfig {
  device: "blk";
  /** Name of the disk: its serial number in the guest, its key in a store. Unique in a machine, at most 20 bytes. */
  id: string;
  store: DiskStore;
  /** Bytes, a multiple of 512. For `file` and with a base it may be undefined: what is behind it knows. */
  size: number | undefined;
  /** The file behind `store=file`. */
  path: string | undefined;
  /**
   * What the disk shows where nothing was written to it; the store has the changes. The name of an image (its root disk), or
   * where a packed image is: a URL, in Node also a path, or that of a raw image file.
   */
  base: string | undefined;
  /** Seconds that a request waits for a base's server that does not answer before it fails. */
  timeout: number;
  readonly: boolean;
  /** Bytes in a logical block: 512, 1024, 2048 or 4096 (virtio 1.3, 5.2.5, VIRTIO_BLK_F_BLK_SIZE). */
  blkSize: number;
  /** Request queues (virtio 1.3, 5.2.2); with more than one VIRTIO_BLK_F_MQ is offered. */
  queues: number;
  /** VIRTIO_BLK_F_DISCARD offered (virtio 1.3, 5.2.6), where the store can give storage back. */
  discard: boolean;
  /** VIRTIO_BLK_F_WRITE_ZEROES offered (virtio 1.3, 5.2.6). */
  writeZeroes: boolean;
  /** VIRTIO_BLK_F_SECURE_ERASE offered (virtio 1.3, 5.2.6), where the store can really erase. */
  secureErase: boolean;
  /** VIRTIO_BLK_F_CONFIG_WCE offered: the driver may switch the cache (virtio 1.3, 5.2.5). */
  configWce: boolean;
}

export interface ConsoleConfig extends CommonDeviceConfig {
  device: "console";
}

export interface EntropyConfig extends CommonDeviceConfig {
  device: "rng";
}

export interface NetConfig extends CommonDeviceConfig {
  device: "net";
  /** Tells it apart from the machine's other network devices, at most 20 bytes. */
  id: string;
  /** What it is plugged into, as ./wire.ts reads it: `gateway`, `none`, `room:NAME` or `tabs:NAME`. */
  wire: string;
  /** MAC address, as in `02:00:5e:10:00:01`; undefined: a random one of those that nobody administers. */
  mac: string | undefined;
  /** Where the room is: URLs of relays, the first of which answers, with spaces between them. Undefined: the page's own. */
  relay: string | undefined;
  /** The room's secret, if it has one. */
  secret: string | undefined;
  /** What the others in the room see it by; undefined: its MAC address. */
  name: string | undefined;
  /** Between guest and room or tabs stands a gateway, for who else gives the guest an address? */
  gateway: boolean;
  /** The gateway has a way out over HTTP. */
  http: boolean;
  /** VIRTIO_NET_F_MTU (virtio 1.3, 5.1.4): bytes of an Ethernet frame's payload, 68 to 65535. */
  mtu: number;
  /** VIRTIO_NET_F_SPEED_DUPLEX: Mbit/s that the device says it has. */
  speed: number;
  /** Pairs of queues; with more than one VIRTIO_NET_F_MQ is offered. */
  queues: number;
  /** VIRTIO_NET_F_CTRL_VQ, and with it CTRL_RX, CTRL_RX_EXTRA, CTRL_VLAN, CTRL_MAC_ADDR, CTRL_GUEST_OFFLOADS and MQ. */
  ctrlVq: boolean;
  mrgRxbuf: boolean;
  /** VIRTIO_NET_F_CSUM: the driver leaves checksums to the device. TSO needs it (5.1.3.1). */
  csum: boolean;
  guestCsum: boolean;
  hostTso4: boolean;
  hostTso6: boolean;
  guestTso4: boolean;
  guestTso6: boolean;
  /** VIRTIO_NET_F_GUEST_ANNOUNCE. */
  guestAnnounce: boolean;
}

export type DeviceConfig = BlockConfig | ConsoleConfig | EntropyConfig | NetConfig;
