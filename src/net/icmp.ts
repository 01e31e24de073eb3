/** ICMP for IPv4 (RFC 792) and IPv6 (RFC 4443): a type, a code, a checksum, and a body. */
import { set16, set32 } from "./bytes.ts";
import { checksum, pseudoSum } from "./checksum.ts";
import { type Fault, type Ip, ipHeaderLength, ipPacket, Protocol, type Route } from "./ip.ts";

export const IcmpType = { ECHO_REPLY: 0, UNREACHABLE: 3, ECHO: 8, TIME_EXCEEDED: 11 } as const;
export const Icmp6Type = {
  UNREACHABLE: 1,
  TIME_EXCEEDED: 3,
  PARAMETER: 4,
  ECHO: 128,
  ECHO_REPLY: 129,
  ROUTER_SOLICITATION: 133,
  ROUTER_ADVERTISEMENT: 134,
  NEIGHBOUR_SOLICITATION: 135,
  NEIGHBOUR_ADVERTISEMENT: 136,
} as const;

/** What is wrong with the ICMP message, if something is. */
export function icmpFault(bytes: Uint8Array, ip: Ip): Fault | undefined {
  if (ip.end - ip.payload < 8) return "malformed";
  const pseudo = pseudoFor(ip, ip.end - ip.payload);
  return checksum(bytes, ip.payload, ip.end, pseudo) === 0 ? undefined : "checksum";
}

/** The bytes of a message: all behind its checksum is `body`. `route` is for the checksum of ICMPv6. */
export function icmpMessage(route: Route, type: number, code: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(4 + body.length);
  message[0] = type;
  message[1] = code;
  message.set(body, 4);
  const pseudo = pseudoFor(route, message.length);
  set16(message, 2, checksum(message, 0, message.length, pseudo));
  return message;
}

/** A plain packet with one message. Neighbour discovery wants a hop limit of 255 (RFC 4861). */
export function icmpPacket(
  route: Route,
  type: number,
  code: number,
  body: Uint8Array,
  hopLimit = 64,
): Uint8Array {
  const message = icmpMessage(route, type, code, body);
  const packet = ipPacket(route, icmpProtocol(route), message.length, { hopLimit });
  packet.set(message, packet.length - message.length);
  return packet;
}

export const icmpProtocol = ({ source }: { source: Uint8Array }): number =>
  source.length === 4 ? Protocol.ICMP : Protocol.ICMPV6;

/** An error that quotes the packet that it is about; `value` is what some have between: a pointer into the quote. */
export function icmpError(
  route: Route,
  type: number,
  code: number,
  bytes: Uint8Array,
  about: Ip,
  value = 0,
): Uint8Array {
  // All that fits the smallest packet that everybody takes: 576 bytes (RFC 1812, 4.3.2.3), 1,280 of IPv6.
  const room = (about.version === 4 ? 576 : 1280) - ipHeaderLength(route) - 8;
  const quote = bytes.subarray(about.header, Math.min(about.end, about.header + room));
  const body = new Uint8Array(4 + quote.length);
  set32(body, 0, value);
  body.set(quote, 4);
  return icmpPacket(route, type, code, body);
}

function pseudoFor(
  { source, destination }: { source: Uint8Array; destination: Uint8Array },
  length: number,
): number {
  return source.length === 4 ? 0 : pseudoSum(source, destination, Protocol.ICMPV6, length);
}
