import { get16, set16, set32, get32 } from "./bytes.ts";
import { sum } from "./checksum.ts";
import { EtherType } from "./ethernet.ts";
import { ETHERNET, Field, Flag, Gso, HEADER, isPlain, LONGEST_FRAME } from "./packet.ts";

/** What the header of a packet leaves to others: the checksum, and TCP segmentation (virtio 1.3, 5.1.6.2). */

/**
 * The least gso_size, bytes: no TCP sends less at a time (Linux has the same bound), and one packet shall not become tens of
 * thousands. With it they are 8,192 at most.
 */
export const LEAST_GSO_SIZE = 8;

/**
 * What is wrong with a packet from outside, as a phrase; undefined when its frame has a possible length and its header is
 * consistent with the frame. The other functions here take only such packets. Flags other than NEEDS_CSUM are not looked at.
 */
export function packetFault(packet: Uint8Array): string | undefined {
  const length = packet.length - HEADER;
  if (length < ETHERNET) return `a frame of ${Math.max(length, 0)} bytes, less than an Ethernet header`;
  if (length > LONGEST_FRAME) return `a frame of ${length} bytes, more than ${LONGEST_FRAME}`;
  if (isPlain(packet)) return undefined;
  const gso = packet[Field.gsoType]! & ~Gso.ECN;
  if (!(packet[Field.flags]! & Flag.NEEDS_CSUM))
    return `gso_type ${packet[Field.gsoType]!} without NEEDS_CSUM`;
  const start = checksumStart(packet);
  const offset = checksumOffset(packet);
  if (start < ETHERNET || start + offset + 2 > length) {
    return `a checksum at ${start} + ${offset} of a frame of ${length} bytes`;
  }
  return packet[Field.gsoType] === Gso.NONE ? undefined : segmentationFault(packet, gso);
}

/** Puts the checksum into a packet that lacks it, in place; its header says nothing any more then, and it is plain. */
export function completeChecksum(packet: Uint8Array): void {
  if (packet[Field.flags]! & Flag.NEEDS_CSUM) {
    const start = HEADER + checksumStart(packet);
    const checksum = ~sum(packet, start, packet.length) & 0xffff;
    // For UDP 0 would mean that there is none (RFC 768); elsewhere both are the same number.
    set16(packet, start + checksumOffset(packet), checksum === 0 ? 0xffff : checksum);
  }
  packet.fill(0, 0, HEADER);
}

/**
 * A packet with a gso_type as plain packets of at most gso_size bytes of TCP payload each, in order. They share one buffer,
 * and nothing with the packet. FIN and PSH are in the last of them only, CWR in the first (RFC 3168, 6.1.2), and IPv4
 * identifications count up.
 */
export function segment(packet: Uint8Array): Uint8Array[] {
  const { ip, tcp, payload } = locate(packet)!;
  const size = gsoSize(packet);
  const bytes = packet.length - payload;
  const count = Math.max(1, Math.ceil(bytes / size));
  // Each begins at a multiple of 4: checksums are added up in words.
  const stride = (payload + size + 3) & ~3;
  const buffer = new Uint8Array(stride * (count - 1) + payload + bytes - size * (count - 1));
  const pseudo = pseudoSum(packet, ip, TCP);
  const segments: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const from = payload + i * size;
    const to = Math.min(from + size, packet.length);
    const piece = buffer.subarray(i * stride, i * stride + payload + to - from);
    piece.set(packet.subarray(HEADER, payload), HEADER);
    piece.set(packet.subarray(from, to), payload);
    finishIp(piece, ip, i);
    finishTcp(piece, tcp, i, size, count, pseudo);
    segments.push(piece);
  }
  return segments;
}

/** The packet as it is for whoever knows plain frames only. It may be changed, and be among what is returned. */
export function toPlain(packet: Uint8Array): Uint8Array[] {
  if ((packet[Field.gsoType]! & ~Gso.ECN) !== Gso.NONE) return segment(packet);
  completeChecksum(packet);
  return [packet];
}

/**
 * Whether a plain packet's TCP or UDP checksum is there and right. False for all that is neither, for fragments, and where
 * lengths do not agree.
 */
export function checksumHolds(packet: Uint8Array): boolean {
  const ip = networkAt(packet);
  const type = get16(packet, ip - 2);
  if (type === EtherType.IPV4) {
    if (behindIpv4(packet, ip, packet[ip + 9]!) === undefined) return false;
    const header = 4 * (packet[ip]! & 0xf);
    return transportHolds(packet, ip, ip + header, ip + get16(packet, ip + 2), packet[ip + 9]!);
  }
  if (type !== EtherType.IPV6 || ip + 40 > packet.length || packet[ip]! >>> 4 !== 6) return false;
  return transportHolds(packet, ip, ip + 40, ip + 40 + get16(packet, ip + 4), packet[ip + 6]!);
}

/** Bytes of a frame's headers up to the end of TCP's, for a packet with a gso_type: what hdr_len should say. */
export function headerLength(packet: Uint8Array): number {
  return locate(packet)!.payload - HEADER;
}

/** Where the payload of a frame begins (bytes from the packet's start): behind up to two VLAN tags. */
export function networkAt(packet: Uint8Array): number {
  let at = HEADER + ETHERNET;
  for (let tags = 0; tags < 2 && at + 4 <= packet.length; tags++, at += 4) {
    const type = get16(packet, at - 2);
    if (type !== EtherType.VLAN && type !== EtherType.SERVICE_VLAN) break;
  }
  return at;
}

const TCP = 6;
const UDP = 17;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const CWR = 0x80;
const FIN_PSH = 0x09;

/** Where the headers of a packet with a gso_type are, bytes from the packet's start. */
interface Layout {
  ip: number;
  tcp: number;
  payload: number;
}

/** Used again for each packet: nobody keeps it. */
const found: Layout = { ip: 0, tcp: 0, payload: 0 };

function segmentationFault(packet: Uint8Array, gso: number): string | undefined {
  if (gso !== Gso.TCPV4 && gso !== Gso.TCPV6) return `gso_type ${packet[Field.gsoType]!}`;
  const size = gsoSize(packet);
  if (size < LEAST_GSO_SIZE || size > packet.length - HEADER) {
    return `gso_size ${size} for a frame of ${packet.length - HEADER} bytes`;
  }
  const layout = locate(packet);
  if (!layout)
    return `gso_type ${packet[Field.gsoType]!} for what is not TCP over IPv${gso === Gso.TCPV4 ? 4 : 6}`;
  const start = checksumStart(packet);
  if (HEADER + start === layout.tcp && checksumOffset(packet) === TCP_CHECKSUM) return undefined;
  return `a checksum at ${start} + ${checksumOffset(packet)} of a TCP segment at ${layout.tcp - HEADER}`;
}

/** Undefined when the headers are not those of what gso_type says, whole and within the frame. */
function locate(packet: Uint8Array): Layout | undefined {
  const ip = networkAt(packet);
  const v4 = (packet[Field.gsoType]! & ~Gso.ECN) === Gso.TCPV4;
  if (get16(packet, ip - 2) !== (v4 ? EtherType.IPV4 : EtherType.IPV6)) return undefined;
  const tcp = v4 ? behindIpv4(packet, ip, TCP) : behindIpv6(packet, ip);
  if (tcp === undefined || tcp + 20 > packet.length) return undefined;
  const payload = tcp + (packet[tcp + 12]! >>> 4) * 4;
  if (payload < tcp + 20 || payload > packet.length) return undefined;
  found.ip = ip;
  found.tcp = tcp;
  found.payload = payload;
  return found;
}

function behindIpv4(packet: Uint8Array, ip: number, protocol: number): number | undefined {
  if (ip + 20 > packet.length) return undefined;
  const words = packet[ip]! & 0xf;
  const whole = (get16(packet, ip + 6) & 0x3fff) === 0; // more fragments, or an offset
  return packet[ip]! >>> 4 === 4 && words >= 5 && whole && packet[ip + 9] === protocol
    ? ip + 4 * words
    : undefined;
}

/** Extension headers that go into every segment as they are; a routing header would change what the checksum covers. */
const HOP_BY_HOP = 0;
const DESTINATION_OPTIONS = 60;

function behindIpv6(packet: Uint8Array, ip: number): number | undefined {
  if (ip + 40 > packet.length || packet[ip]! >>> 4 !== 6) return undefined;
  let next = packet[ip + 6]!;
  let at = ip + 40;
  while (next === HOP_BY_HOP || next === DESTINATION_OPTIONS) {
    if (at + 8 > packet.length) return undefined;
    next = packet[at]!;
    at += 8 * (packet[at + 1]! + 1);
  }
  return next === TCP ? at : undefined;
}

/** Whether the checksum of the bytes from `at` to `end`, all of a TCP segment or UDP datagram, is right. */
function transportHolds(packet: Uint8Array, ip: number, at: number, end: number, protocol: number): boolean {
  if (end > packet.length || at + (protocol === TCP ? 20 : 8) > end) return false;
  if (protocol === UDP) {
    // 0: there is none (RFC 768).
    if (get16(packet, at + UDP_CHECKSUM) === 0 || get16(packet, at + 4) !== end - at) return false;
  } else if (protocol !== TCP) return false;
  return sum(packet, at, end, pseudoSum(packet, ip, protocol) + end - at) === 0xffff;
}

/** Of addresses and protocol; the length of each segment is still to be added. */
function pseudoSum(packet: Uint8Array, ip: number, protocol: number): number {
  const v4 = packet[ip]! >>> 4 === 4;
  const addresses = v4 ? sum(packet, ip + 12, ip + 20) : sum(packet, ip + 8, ip + 40);
  return addresses + protocol;
}

function finishIp(piece: Uint8Array, ip: number, index: number): void {
  if (piece[ip]! >>> 4 === 6) {
    set16(piece, ip + 4, piece.length - ip - 40);
    return;
  }
  const end = ip + 4 * (piece[ip]! & 0xf);
  set16(piece, ip + 2, piece.length - ip);
  set16(piece, ip + 4, (get16(piece, ip + 4) + index) & 0xffff);
  set16(piece, ip + 10, 0);
  set16(piece, ip + 10, ~sum(piece, ip, end) & 0xffff);
}

function finishTcp(
  piece: Uint8Array,
  tcp: number,
  index: number,
  size: number,
  count: number,
  pseudo: number,
): void {
  set32(piece, tcp + 4, (get32(piece, tcp + 4) + index * size) >>> 0);
  if (index > 0) piece[tcp + 13]! &= ~CWR;
  if (index < count - 1) piece[tcp + 13]! &= ~FIN_PSH;
  set16(piece, tcp + TCP_CHECKSUM, 0);
  set16(piece, tcp + TCP_CHECKSUM, ~sum(piece, tcp, piece.length, pseudo + piece.length - tcp) & 0xffff);
}

const get16Little = (packet: Uint8Array, at: number): number => packet[at]! | (packet[at + 1]! << 8);
const gsoSize = (packet: Uint8Array): number => get16Little(packet, Field.gsoSize);
const checksumStart = (packet: Uint8Array): number => get16Little(packet, Field.checksumStart);
const checksumOffset = (packet: Uint8Array): number => get16Little(packet, Field.checksumOffset);
