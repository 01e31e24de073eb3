/** Packets for tests, and a naive look at them: written by the byte from the RFCs, apart from src/net. */

export interface TcpOptions {
  version?: 4 | 6;
  payload?: Uint8Array;
  /** 802.1Q tags, the outer one first. */
  vlans?: number[];
  flags?: number;
  sequence?: number;
  identification?: number;
  /** Bytes of IPv4 options, or of IPv6 extension headers (a multiple of 4, 8), and of TCP options (of 4). */
  ipOptions?: number;
  tcpOptions?: number;
  destination?: number[];
  source?: number[];
  ports?: [number, number];
  /** gso_size; leaves the checksum to be done. */
  gsoSize?: number | undefined;
  ecn?: boolean;
  /** Leaves the checksum to be done, without segmentation. */
  partial?: boolean;
  protocol?: number;
}

const HEADER = 12;

/** A packet with a TCP segment (or what `protocol` says, with the same layout). */
export function tcp(options: TcpOptions = {}): Uint8Array {
  const { version = 4, payload = new Uint8Array(), vlans = [], tcpOptions = 0, ipOptions = 0 } = options;
  const { destination = [2, 0, 0x5e, 0x10, 0, 1], source = [2, 0, 0, 0, 0, 9], protocol = 6 } = options;
  const tags = vlans.flatMap((vlan, i) => [
    i + 1 < vlans.length ? 0x88 : 0x81,
    i + 1 < vlans.length ? 0xa8 : 0,
    vlan >> 8,
    vlan & 255,
  ]);
  const segment = [
    ...word(options.ports?.[0] ?? 1234),
    ...word(options.ports?.[1] ?? 80),
    ...long(options.sequence ?? 0xfffffff0),
    ...long(77),
    (5 + tcpOptions / 4) << 4,
    options.flags ?? 0x10,
    ...word(5000),
    0,
    0,
    0,
    0,
    ...new Array<number>(tcpOptions).fill(1),
  ];
  const length = segment.length + payload.length;
  const ip =
    version === 4
      ? ipv4(length, ipOptions, protocol, options.identification ?? 0xfffe)
      : ipv6(length, ipOptions, protocol);
  const ether = [...destination, ...source, ...tags, ...(version === 4 ? [8, 0] : [0x86, 0xdd])];
  const packet = Uint8Array.from([
    ...new Array<number>(HEADER).fill(0),
    ...ether,
    ...ip,
    ...segment,
    ...payload,
  ]);
  const at = HEADER + ether.length + ip.length;
  const lazy = options.gsoSize !== undefined || options.partial;
  const pseudo = naiveSum(pseudoHeader(packet, HEADER + ether.length, protocol, length));
  const checksum = lazy
    ? pseudo
    : ~naiveSum([...pseudoHeader(packet, HEADER + ether.length, protocol, length), ...packet.subarray(at)]) &
      0xffff;
  packet.set(word(checksum), at + 16);
  if (lazy) {
    packet[0] = 1;
    packet.set([(at - HEADER) & 255, (at - HEADER) >> 8, 16, 0], 6);
  }
  if (options.gsoSize !== undefined) {
    packet[1] = (version === 4 ? 1 : 4) | (options.ecn ? 0x80 : 0);
    packet.set([options.gsoSize & 255, options.gsoSize >> 8], 4);
  }
  return packet;
}

/** A plain packet of any frame. */
export function frame(
  destination: readonly number[],
  length = 60,
  { vlan, type = 0x88b5 }: { vlan?: number; type?: number } = {},
): Uint8Array {
  const head = [
    ...destination,
    2,
    0,
    0,
    0,
    0,
    9,
    ...(vlan === undefined ? [] : [0x81, 0, vlan >> 8, vlan & 255]),
    type >> 8,
    type & 255,
  ];
  const packet = new Uint8Array(HEADER + length);
  packet.set(head.slice(0, length), HEADER);
  for (let i = head.length; i < length; i++) packet[HEADER + i] = (i * 7 + (i >> 8)) & 0xff;
  return packet;
}

/** What a host reads in a TCP packet, with every checksum looked at. @throws Error when one is wrong. */
export function readTcp(packet: Uint8Array): {
  sequence: number;
  flags: number;
  identification: number;
  payload: Uint8Array;
  headers: Uint8Array;
} {
  let ip = HEADER + 14;
  while (packet[ip - 2] === 0x81 || packet[ip - 2] === 0x88) ip += 4;
  const v4 = packet[ip]! >> 4 === 4;
  let at = ip + 4 * (packet[ip]! & 15);
  if (v4) {
    if (naiveSum([...packet.subarray(ip, at)]) !== 0xffff) throw new Error("the IPv4 checksum is wrong");
    if (packet[ip + 2]! * 256 + packet[ip + 3]! !== packet.length - ip)
      throw new Error("the IPv4 length is wrong");
  } else {
    if (packet[ip + 4]! * 256 + packet[ip + 5]! !== packet.length - ip - 40)
      throw new Error("the IPv6 length is wrong");
    at = ip + 40;
    for (let next = packet[ip + 6]!; next !== 6; at += 8 * (packet[at + 1]! + 1)) {
      next = packet[at]!;
      if (next === 6) {
        at += 8 * (packet[at + 1]! + 1);
        break;
      }
    }
  }
  if (naiveSum([...pseudoHeader(packet, ip, 6, packet.length - at), ...packet.subarray(at)]) !== 0xffff) {
    throw new Error("the TCP checksum is wrong");
  }
  const view = new DataView(packet.buffer, packet.byteOffset);
  const payload = at + 4 * (packet[at + 12]! >> 4);
  return {
    sequence: view.getUint32(at + 4),
    flags: packet[at + 13]!,
    identification: v4 ? view.getUint16(ip + 4) : 0,
    payload: packet.subarray(payload),
    headers: packet.subarray(0, payload),
  };
}

/** RFC 1071, a byte at a time. */
export function naiveSum(bytes: readonly number[]): number {
  let sum = 0;
  bytes.forEach((byte, i) => (sum += i % 2 === 0 ? byte * 256 : byte));
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

function ipv4(length: number, options: number, protocol: number, identification: number): number[] {
  const header = [
    0x45 + options / 4,
    0,
    ...word(20 + options + length),
    ...word(identification),
    0x40,
    0,
    64,
    protocol,
    0,
    0,
    10,
    77,
    1,
    2,
    10,
    77,
    9,
    8,
    ...new Array<number>(options).fill(1),
  ];
  header.splice(10, 2, ...word(~naiveSum(header) & 0xffff));
  return header;
}

function ipv6(length: number, extension: number, protocol: number): number[] {
  const addresses = Array.from({ length: 32 }, (_, i) => (i * 5 + 3) & 255);
  const first = extension > 0 ? 0 : protocol;
  const options =
    extension > 0 ? [protocol, extension / 8 - 1, ...new Array<number>(extension - 2).fill(0)] : [];
  return [0x60, 0, 0, 0, ...word(extension + length), first, 64, ...addresses, ...options];
}

function pseudoHeader(packet: Uint8Array, ip: number, protocol: number, length: number): number[] {
  const v4 = packet[ip]! >> 4 === 4;
  const addresses = v4 ? packet.subarray(ip + 12, ip + 20) : packet.subarray(ip + 8, ip + 40);
  return [
    ...addresses,
    ...(v4 ? [] : [length >> 24, (length >> 16) & 255]),
    ...word(length & 0xffff),
    ...(v4 ? [] : [0, 0]),
    0,
    protocol,
  ];
}

const word = (value: number): number[] => [(value >> 8) & 255, value & 255];
const long = (value: number): number[] => [...word(value >>> 16), ...word(value & 0xffff)];
