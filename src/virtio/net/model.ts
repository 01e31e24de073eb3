import type { ConfigField, ConfigSpace } from "../config-space.ts";
import type { DeviceModel, DeviceOptions } from "../device.ts";
import type { QueueModel } from "../queue.ts";
import { DeviceType, Feature, NetStatus } from "../spec.ts";

/** What a network device offers besides the common features; each switch is on unless said otherwise. */
export interface NetFeatureOptions {
  /** The device's own MAC address, 6 bytes: VIRTIO_NET_F_MAC. */
  mac: Uint8Array;
  /** VIRTIO_NET_F_MTU: bytes of an Ethernet frame's payload, 68 to 65535; 1500 unless given. */
  mtu?: number;
  /** VIRTIO_NET_F_SPEED_DUPLEX: Mbit/s, up to 0x7fffffff; 1000 unless given. It is always full duplex. */
  speed?: number;
  /** Pairs of queues, 1 unless given; more than one come with VIRTIO_NET_F_MQ, and need the control queue. */
  queues?: number;
  /** VIRTIO_NET_F_CTRL_VQ, and with it CTRL_RX, CTRL_RX_EXTRA, CTRL_VLAN, CTRL_MAC_ADDR and CTRL_GUEST_OFFLOADS. */
  ctrlVq?: boolean;
  mrgRxbuf?: boolean;
  /** VIRTIO_NET_F_CSUM, without which there are no HOST_TSO4 and HOST_TSO6 (5.1.3.1). */
  csum?: boolean;
  /** VIRTIO_NET_F_GUEST_CSUM, without which there are no GUEST_TSO4 and GUEST_TSO6. */
  guestCsum?: boolean;
  hostTso4?: boolean;
  hostTso6?: boolean;
  guestTso4?: boolean;
  guestTso6?: boolean;
  /** VIRTIO_NET_F_GUEST_ANNOUNCE, which needs the control queue. */
  guestAnnounce?: boolean;
}

export const STANDARD_MTU = 1500;
const STANDARD_SPEED = 1000;

const QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;

const FULL_DUPLEX = 1;

/** The offloads that a driver may switch off and on again (5.1.6.5.6.1), as feature bits. */
export const GUEST_OFFLOADS: readonly bigint[] = [
  Feature.network.GUEST_CSUM,
  Feature.network.GUEST_TSO4,
  Feature.network.GUEST_TSO6,
  Feature.network.GUEST_ECN,
];

/** 5.1.3.1, for the features that are offered here. */
const REQUIRES: NonNullable<DeviceModel["requires"]> = [
  [Feature.network.GUEST_TSO4, [Feature.network.GUEST_CSUM]],
  [Feature.network.GUEST_TSO6, [Feature.network.GUEST_CSUM]],
  [Feature.network.GUEST_ECN, [Feature.network.GUEST_TSO4, Feature.network.GUEST_TSO6]],
  [Feature.network.HOST_TSO4, [Feature.network.CSUM]],
  [Feature.network.HOST_TSO6, [Feature.network.CSUM]],
  [Feature.network.HOST_ECN, [Feature.network.HOST_TSO4, Feature.network.HOST_TSO6]],
  [Feature.network.CTRL_RX, [Feature.network.CTRL_VQ]],
  [Feature.network.CTRL_VLAN, [Feature.network.CTRL_VQ]],
  [Feature.network.GUEST_ANNOUNCE, [Feature.network.CTRL_VQ]],
  [Feature.network.MQ, [Feature.network.CTRL_VQ]],
  [Feature.network.CTRL_MAC_ADDR, [Feature.network.CTRL_VQ]],
];

/** The features, queues and configuration layout of a network device. */
export function netModel(options: NetFeatureOptions & DeviceOptions): DeviceModel {
  return {
    type: DeviceType.network,
    kind: "network",
    features: netFeatures(options),
    requires: REQUIRES,
    queues: netQueues(options),
    config: CONFIG,
  };
}

/**
 * 5.1.3. UFO and USO are not among them: nothing here sends UDP in segments. Nor are hashes, RSS and coalescing, which are
 * for hardware whose receive queues are served by processors of their own.
 */
function netFeatures(options: NetFeatureOptions): bigint[] {
  const { queues = 1, ctrlVq, mrgRxbuf, csum, guestCsum, guestAnnounce } = options;
  const { hostTso4, hostTso6, guestTso4, guestTso6 } = options;
  const control = ctrlVq !== false;
  const checksums = csum !== false;
  const guestChecksums = guestCsum !== false;
  const wanted: [bit: bigint, on: boolean][] = [
    [Feature.network.MAC, true],
    [Feature.network.STATUS, true],
    [Feature.network.MTU, true],
    [Feature.network.SPEED_DUPLEX, true],
    [Feature.network.MRG_RXBUF, mrgRxbuf !== false],
    [Feature.network.CSUM, checksums],
    [Feature.network.HOST_TSO4, checksums && hostTso4 !== false],
    [Feature.network.HOST_TSO6, checksums && hostTso6 !== false],
    [Feature.network.HOST_ECN, checksums && (hostTso4 !== false || hostTso6 !== false)],
    [Feature.network.GUEST_CSUM, guestChecksums],
    [Feature.network.GUEST_TSO4, guestChecksums && guestTso4 !== false],
    [Feature.network.GUEST_TSO6, guestChecksums && guestTso6 !== false],
    [Feature.network.GUEST_ECN, guestChecksums && (guestTso4 !== false || guestTso6 !== false)],
    [Feature.network.CTRL_VQ, control],
    [Feature.network.CTRL_RX, control],
    [Feature.network.CTRL_RX_EXTRA, control],
    [Feature.network.CTRL_VLAN, control],
    [Feature.network.CTRL_MAC_ADDR, control],
    [Feature.network.CTRL_GUEST_OFFLOADS, control && guestChecksums],
    [Feature.network.GUEST_ANNOUNCE, control && guestAnnounce !== false],
    [Feature.network.MQ, control && queues > 1],
  ];
  return wanted.filter(([, on]) => on).map(([bit]) => bit);
}

/** 5.1.2. Drivers look at the transmit queues' used rings by themselves, whenever they send more. */
function netQueues({ queues = 1, ctrlVq }: NetFeatureOptions): QueueModel[] {
  const pairs = ctrlVq === false ? 1 : queues;
  const models: QueueModel[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    models.push({ name: `receiveq${pair}`, size: QUEUE_SIZE });
    models.push({ name: `transmitq${pair}`, size: QUEUE_SIZE, interruptLater: true });
  }
  if (ctrlVq !== false) models.push({ name: "controlq", size: CONTROL_QUEUE_SIZE });
  return models;
}

/** struct virtio_net_config, 5.1.4, as far as the features that are offered here reach. */
const CONFIG: readonly ConfigField[] = [
  ...Array.from({ length: 6 }, (_, i) => ({ name: `mac[${i}]`, width: 1, writable: "legacy" }) as const),
  { name: "status", width: 2 },
  { name: "max_virtqueue_pairs", width: 2 },
  { name: "mtu", width: 2 },
  { name: "speed", width: 4 },
  { name: "duplex", width: 1 },
];

/** Fills in what does not change while the device exists. */
export function fillConfig(config: ConfigSpace, options: NetFeatureOptions, pairs: number): void {
  if (pairs > 1) config.set("max_virtqueue_pairs", pairs);
  config.set("mtu", options.mtu ?? STANDARD_MTU);
  config.set("speed", options.speed ?? STANDARD_SPEED);
  config.set("duplex", FULL_DUPLEX);
  config.set("status", 0);
}

export function readMac(config: ConfigSpace): Uint8Array {
  return Uint8Array.from({ length: 6 }, (_, i) => config.get(`mac[${i}]`));
}

export function writeMac(config: ConfigSpace, mac: Uint8Array): void {
  for (let i = 0; i < 6; i++) config.set(`mac[${i}]`, mac[i]!);
}

/** The bits of `status` (5.1.4). */
export function netStatus(linkUp: boolean, announce: boolean): number {
  return (linkUp ? NetStatus.LINK_UP : 0) | (announce ? NetStatus.ANNOUNCE : 0);
}
