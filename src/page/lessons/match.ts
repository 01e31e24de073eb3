/** Whether an event of the trace is what a lesson waits for. */
import type { TraceEvent } from "../../inspect/types.ts";
import { BLOCK_OPERATIONS, type EventWait } from "./format.ts";

/** Bytes before an Ethernet frame in a packet: virtio-net's header (5.1.6). */
const NET_HEADER = 12;
const SECTOR = 512;
const IPV4 = 0x0800;

/** A feature's bit by its name: `undefined` for one that the device does not know. */
export type FeatureBits = (device: string, name: string) => number | undefined;

export function matches(event: TraceEvent, wait: EventWait, bits: FeatureBits): boolean {
  return (
    event.kind === wait.kind &&
    (wait.device === undefined || isDevice(event.device, wait.device)) &&
    (wait.queue === undefined || ("queue" in event && event.queue === wait.queue)) &&
    detailMatches(event, wait, bits)
  );
}

/** `net` stands for `net net0`, too. */
export function isDevice(name: string, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted} `);
}

function detailMatches(event: TraceEvent, wait: EventWait, bits: FeatureBits): boolean {
  switch (event.kind) {
    case "access":
      return (
        (wait.register === undefined || event.register.endsWith(wait.register)) &&
        (wait.write === undefined || event.write === wait.write) &&
        (wait.value === undefined || event.value === wait.value)
      );
    case "status":
      return wait.status === undefined || (event.to & ~event.from & wait.status) === wait.status;
    case "features": {
      const has = (feature: string) => hasBit(event.negotiated, featureBit(event.device, feature, bits));
      return (
        (wait.feature === undefined || has(wait.feature) === true) &&
        (wait.without === undefined || has(wait.without) === false)
      );
    }
    case "queue":
      return wait.enabled === undefined || event.enabled === wait.enabled;
    case "chain":
      return (
        (wait.contains === undefined || holds(event.sample, wait.contains)) && requestMatches(event, wait)
      );
    case "used":
      return wait.contains === undefined || holds(event.sample, wait.contains);
    case "interrupt":
      return wait.suppressed === undefined || event.suppressed === wait.suppressed;
    case "frame":
      return (
        (wait.direction === undefined || event.direction === wait.direction) &&
        (wait.contains === undefined || holds(event.sample, wait.contains)) &&
        frameMatches(event.sample, wait)
      );
    case "violation":
      return wait.rule === undefined || event.rule.startsWith(wait.rule) || event.sentence === wait.rule;
    default:
      return true;
  }
}

function featureBit(device: string, feature: string, bits: FeatureBits): number | undefined {
  return /^\d+$/.test(feature) ? Number(feature) : bits(device, feature);
}

function hasBit(negotiated: string, bit: number | undefined): boolean | undefined {
  if (bit === undefined) return undefined;
  return ((BigInt(`0x${negotiated.replace(/^0x/, "")}`) >> BigInt(bit)) & 1n) === 1n;
}

function requestMatches(event: TraceEvent & { kind: "chain" }, { sectors, operation }: EventWait): boolean {
  if (sectors === undefined && operation === undefined) return true;
  // struct virtio_blk_req (5.2.6): type, reserved, sector; then the data, and a byte for the status.
  if (event.sample.length < 16) return false;
  const header = new DataView(event.sample.buffer, event.sample.byteOffset, 16);
  const type = header.getUint32(0, true);
  if (operation !== undefined && type !== BLOCK_OPERATIONS[operation]) return false;
  if (sectors === undefined) return true;
  const data = type === BLOCK_OPERATIONS.read ? event.writable - 1 : event.readable - 16;
  const first = header.getBigUint64(8, true);
  const last = first + BigInt(Math.max(1, Math.ceil(data / SECTOR))) - 1n;
  return first <= BigInt(sectors.last) && last >= BigInt(sectors.first);
}

function frameMatches(packet: Uint8Array, { etherType, protocol }: EventWait): boolean {
  if (etherType === undefined && protocol === undefined) return true;
  const type = packet.at(NET_HEADER + 12)! * 256 + packet.at(NET_HEADER + 13)!;
  if (etherType !== undefined && type !== etherType) return false;
  return protocol === undefined || (type === IPV4 && packet.at(NET_HEADER + 14 + 9) === protocol);
}

function holds(sample: Uint8Array, text: string): boolean {
  // Latin-1, so that each byte stays one character.
  return String.fromCharCode(...sample).includes(text);
}
