import { get16, set16 } from "./bytes.ts";
import { checksum, pseudoSum } from "./checksum.ts";
import { type Fault, type Ip, ipPacket, Protocol, type Route } from "./ip.ts";

export interface Udp {
  sourcePort: number;
  destinationPort: number;
  payload: Uint8Array;
}

/** The datagram of a packet (RFC 768), or what is wrong with it. `unfinished`: its checksum is not there yet. */
export function parseUdp(bytes: Uint8Array, ip: Ip, unfinished: boolean): Udp | Fault {
  const at = ip.payload;
  if (ip.end - at < 8) return "malformed";
  const length = get16(bytes, at + 4);
  if (length < 8 || length > ip.end - at) return "malformed";
  const stated = get16(bytes, at + 6);
  // Without a checksum only over IPv4 (RFC 8200, 8.1).
  if (stated === 0 ? ip.version === 6 : !unfinished && !right(bytes, ip, length)) return "checksum";
  return {
    sourcePort: get16(bytes, at),
    destinationPort: get16(bytes, at + 2),
    payload: bytes.subarray(at + 8, at + length),
  };
}

function right(bytes: Uint8Array, ip: Ip, length: number): boolean {
  const pseudo = pseudoSum(ip.source, ip.destination, Protocol.UDP, length);
  return checksum(bytes, ip.payload, ip.payload + length, pseudo) === 0;
}

/** A plain packet. */
export function udpPacket(route: Route, { sourcePort, destinationPort, payload }: Udp): Uint8Array {
  const length = 8 + payload.length;
  const packet = ipPacket(route, Protocol.UDP, length);
  const at = packet.length - length;
  set16(packet, at, sourcePort);
  set16(packet, at + 2, destinationPort);
  set16(packet, at + 4, length);
  packet.set(payload, at + 8);
  const pseudo = pseudoSum(route.source, route.destination, Protocol.UDP, length);
  set16(packet, at + 6, checksum(packet, at, packet.length, pseudo) || 0xffff);
  return packet;
}
