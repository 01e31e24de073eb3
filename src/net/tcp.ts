import { get16, get32, set16, set32 } from "./bytes.ts";
import { checksum, pseudoSum } from "./checksum.ts";
import { type Fault, type Ip, IP_AT, ipHeaderLength, ipPacket, Protocol, type Route } from "./ip.ts";
import { Field, Flag, Gso, HEADER } from "./packet.ts";

/** Control bits (RFC 9293, 3.1). */
export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

export interface Segment {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  /** As in the header, not scaled. */
  window: number;
  /** Shares the packet's bytes. */
  data: Uint8Array;
  /** Maximum segment size and window scale; only a SYN has them. */
  maximum: number | undefined;
  scale: number | undefined;
}

/** The segment of a packet (RFC 9293), or what is wrong with it. `unfinished`: its checksum is not there yet. */
export function parseTcp(bytes: Uint8Array, ip: Ip, unfinished: boolean): Segment | Fault {
  const at = ip.payload;
  if (ip.end - at < 20) return "malformed";
  const data = at + (bytes[at + 12]! >> 4) * 4;
  if (data < at + 20 || data > ip.end) return "malformed";
  if (!unfinished) {
    const pseudo = pseudoSum(ip.source, ip.destination, Protocol.TCP, ip.end - at);
    if (checksum(bytes, at, ip.end, pseudo) !== 0) return "checksum";
  }
  const segment: Segment = {
    sourcePort: get16(bytes, at),
    destinationPort: get16(bytes, at + 2),
    sequence: get32(bytes, at + 4),
    acknowledgement: get32(bytes, at + 8),
    flags: bytes[at + 13]! & 0x3f,
    window: get16(bytes, at + 14),
    data: bytes.subarray(data, ip.end),
    maximum: undefined,
    scale: undefined,
  };
  if (segment.flags & TcpFlag.SYN) parseOptions(bytes, at + 20, data, segment);
  return segment;
}

function parseOptions(bytes: Uint8Array, from: number, to: number, segment: Segment): void {
  let at = from;
  while (at < to) {
    const kind = bytes[at]!;
    if (kind === 0) return;
    const length = kind === 1 ? 1 : at + 1 < to ? bytes[at + 1]! : 0;
    if (length < (kind === 1 ? 1 : 2) || at + length > to) return;
    if (kind === 2 && length === 4) segment.maximum = get16(bytes, at + 2);
    if (kind === 3 && length === 3) segment.scale = Math.min(bytes[at + 2]!, 14);
    at += length;
  }
}

/** What a segment says, without its data. */
export type SegmentHeader = Omit<Segment, "data">;

/**
 * A packet with `length` bytes of data, still zero, at its end. Its checksum is left to whoever delivers it, and so is cutting
 * it into segments of `size` bytes, if it has more.
 */
export function tcpPacket(route: Route, header: SegmentHeader, length: number, size: number): Uint8Array {
  const options = (header.maximum === undefined ? 0 : 4) + (header.scale === undefined ? 0 : 4);
  const headerLength = 20 + options;
  const packet = ipPacket(route, Protocol.TCP, headerLength + length);
  const at = packet.length - headerLength - length;
  set16(packet, at, header.sourcePort);
  set16(packet, at + 2, header.destinationPort);
  set32(packet, at + 4, header.sequence);
  set32(packet, at + 8, header.acknowledgement);
  packet[at + 12] = (headerLength / 4) << 4;
  packet[at + 13] = header.flags;
  set16(packet, at + 14, header.window);
  let option = at + 20;
  if (header.maximum !== undefined) {
    set32(packet, option, 0x02040000 | header.maximum);
    option += 4;
  }
  // Window scale, and one byte of nothing before it.
  if (header.scale !== undefined) set32(packet, option, 0x01030300 | header.scale);
  leaveToDevice(packet, route, at, headerLength, length, size);
  return packet;
}

/** The offload header (virtio 1.3, 5.1.6.2), and in the checksum's place the sum of the pseudo-header. */
function leaveToDevice(
  packet: Uint8Array,
  route: Route,
  at: number,
  headerLength: number,
  length: number,
  size: number,
): void {
  set16(packet, at + 16, pseudoSum(route.source, route.destination, Protocol.TCP, headerLength + length));
  const view = new DataView(packet.buffer, packet.byteOffset);
  packet[Field.flags] = Flag.NEEDS_CSUM;
  view.setUint16(Field.checksumStart, at - HEADER, true);
  view.setUint16(Field.checksumOffset, 16, true);
  if (length <= size) return;
  packet[Field.gsoType] = route.source.length === 4 ? Gso.TCPV4 : Gso.TCPV6;
  view.setUint16(Field.headerLength, IP_AT - HEADER + ipHeaderLength(route) + headerLength, true);
  view.setUint16(Field.gsoSize, size, true);
}
