import { ETHERNET, HEADER } from "../net/packet.ts";
import type { VirtioEvent } from "../virtio/observer.ts";
import type { DescriptorChain } from "../virtio/ring/chain.ts";
import { Block } from "../virtio/spec.ts";
import type { Breakpoint, TracedDevice } from "./types.ts";

/** Of struct virtio_net_hdr of a legacy device without merged receive buffers (5.1.6.1): it lacks num_buffers. */
const SHORT_HEADER = 10;
/** Ranges of one discard or write zeroes that are looked at: as many as our devices take. */
const MAXIMUM_RANGES = 256;

type Match = (event: VirtioEvent) => boolean;

/**
 * What looks at each event for the first breakpoint that it meets; undefined when none is enabled. It may read the bytes of a
 * chain, which the guest can fill with anything, and moves no cursor of it.
 *
 * @param devices the machine's, as they are when the breakpoints are set: what a queue carries depends on the kind of its device
 */
export function matcher(
  breakpoints: readonly Breakpoint[],
  devices: readonly TracedDevice[] = [],
): ((event: VirtioEvent) => Breakpoint | undefined) | undefined {
  const kinds = new DeviceKinds(devices);
  const enabled = breakpoints
    .filter((breakpoint) => breakpoint.enabled)
    .map((breakpoint) => ({ breakpoint, matches: matchOf(breakpoint, kinds) }));
  if (enabled.length === 0) return undefined;
  return (event) => enabled.find(({ matches }) => matches(event))?.breakpoint;
}

function matchOf(breakpoint: Breakpoint, kinds: DeviceKinds): Match {
  const { device, queue, kind, register, sectors, etherType } = breakpoint;
  const conditions: Match[] = [];
  if (kind !== undefined) conditions.push((event) => event.type === kind);
  if (device !== undefined) conditions.push((event) => event.device === device);
  if (queue !== undefined) conditions.push((event) => queueOf(event) === queue);
  if (register !== undefined)
    conditions.push((event) => event.type === "access" && event.register.endsWith(register));
  if (sectors) {
    // Without a kind, where it begins: the same request once.
    const at = kind === "used" ? "used" : "chain";
    conditions.push(
      (event) => event.type === at && kinds.isBlock(event.device) && touches(event.chain, sectors),
    );
  }
  if (etherType !== undefined) conditions.push((event) => etherTypes(event, kinds).includes(etherType));
  return (event) => conditions.every((matches) => matches(event));
}

function queueOf(event: VirtioEvent): number | undefined {
  if (event.type === "violation") return event.violation.queue;
  return "queue" in event ? event.queue : undefined;
}

// ---- block requests (5.2.6) ----

function touches(chain: DescriptorChain, { first, last }: { first: number; last: number }): boolean {
  const header = new Uint8Array(Block.HEADER_BYTES);
  if (chain.peek("readable", header) < header.length) return false;
  const view = new DataView(header.buffer);
  const start = Number(view.getBigUint64(8, true));
  const within = (sector: number, count: number): boolean =>
    count > 0 && sector <= last && sector + count - 1 >= first;
  switch (view.getUint32(0, true)) {
    case Block.IN:
      // The last byte is for the status.
      return within(start, Math.ceil((chain.writer.total - 1) / Block.SECTOR));
    case Block.OUT:
      return within(start, Math.ceil((chain.reader.total - Block.HEADER_BYTES) / Block.SECTOR));
    case Block.DISCARD:
    case Block.WRITE_ZEROES:
    case Block.SECURE_ERASE:
      return rangesOf(chain).some(({ sector, count }) => within(sector, count));
    default:
      return false;
  }
}

/** Of struct virtio_blk_discard_write_zeroes. */
function rangesOf(chain: DescriptorChain): { sector: number; count: number }[] {
  const { HEADER_BYTES, SEGMENT_BYTES } = Block;
  const most = HEADER_BYTES + MAXIMUM_RANGES * SEGMENT_BYTES;
  const bytes = new Uint8Array(Math.min(chain.reader.total, most));
  const length = chain.peek("readable", bytes);
  const view = new DataView(bytes.buffer);
  const ranges: { sector: number; count: number }[] = [];
  for (let at: number = HEADER_BYTES; at + SEGMENT_BYTES <= length; at += SEGMENT_BYTES) {
    ranges.push({ sector: Number(view.getBigUint64(at, true)), count: view.getUint32(at + 8, true) });
  }
  return ranges;
}

// ---- packets ----

/** The EtherType of the packet in an event, if it has one; two where a legacy driver's header may have either length. */
function etherTypes(event: VirtioEvent, kinds: DeviceKinds): number[] {
  if (event.type === "frame") return typeAt(event.packet, HEADER);
  if (event.type !== "chain" && event.type !== "used") return [];
  const carries = kinds.packetsOf(event.device, event.queue);
  // Before it is filled, a receive buffer has no packet; what was sent is the driver's again once it is given back.
  if (carries !== (event.type === "chain" ? "sent" : "received")) return [];
  const bytes = new Uint8Array(HEADER + ETHERNET);
  const there = event.chain.peek(carries === "sent" ? "readable" : "writable", bytes);
  const packet = bytes.subarray(0, event.type === "used" ? Math.min(there, event.written) : there);
  const short = kinds.mayBeLegacy(event.device) ? typeAt(packet, SHORT_HEADER) : [];
  return [...typeAt(packet, HEADER), ...short];
}

function typeAt(packet: Uint8Array, header: number): number[] {
  const at = header + ETHERNET - 2;
  return packet.length >= at + 2 ? [(packet[at]! << 8) | packet[at + 1]!] : [];
}

/** Which kind each device is: as the machine says, or else by its name, which begins with it. */
class DeviceKinds {
  readonly #devices: ReadonlyMap<string, TracedDevice>;

  constructor(devices: readonly TracedDevice[]) {
    this.#devices = new Map(devices.map((device) => [device.name, device]));
  }

  isBlock(device: string): boolean {
    return this.#kind(device) === "blk";
  }

  mayBeLegacy(device: string): boolean {
    const transport = this.#devices.get(device)?.transport;
    return transport === "pci-transitional" || transport === "mmio-legacy";
  }

  /** What a queue of a network device is for; undefined: not for packets. */
  packetsOf(device: string, queue: number): "received" | "sent" | undefined {
    if (this.#kind(device) !== "net") return undefined;
    const name = this.#devices.get(device)?.queues[queue];
    // receiveq1, transmitq1, receiveq2 and so on, and the control queue after them (5.1.2).
    if (name !== undefined && !/^(receive|transmit)q/.test(name)) return undefined;
    return queue % 2 === 0 ? "received" : "sent";
  }

  #kind(device: string): string {
    return this.#devices.get(device)?.kind ?? device.split(" ", 1)[0]!;
  }
}
