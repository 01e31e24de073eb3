/** What IPv4 and IPv6 have in common. */
import { parseIpv4, writeIpv4 } from "./ipv4.ts";
import { parseIpv6, writeIpv6 } from "./ipv6.ts";
import { EtherType, etherTypeOf, newPacket } from "./ethernet.ts";
import { ETHERNET, HEADER } from "./packet.ts";
import type { Fault, Ip } from "./ip-types.ts";

export type { Fault, Ip, Fragment } from "./ip-types.ts";
export { Protocol } from "./ip-types.ts";

/** Where the IP header of an untagged packet begins. */
export const IP_AT = HEADER + ETHERNET;

/** The IP packet in an untagged packet of EtherType IPv4 or IPv6, or why it is none. */
export function parseIp(packet: Uint8Array): Ip | Fault {
  return etherTypeOf(packet) === EtherType.IPV6 ? parseIpv6(packet, IP_AT) : parseIpv4(packet, IP_AT);
}

/** From whom to whom; addresses of 4 or of 16 bytes. */
export interface Route {
  sourceMac: Uint8Array;
  destinationMac: Uint8Array;
  source: Uint8Array;
  destination: Uint8Array;
}

/** The way back to who sent this packet to `sourceMac`. Its addresses are copies: the route may outlive the packet. */
export function routeBack(ip: Ip, sourceMac: Uint8Array, destinationMac: Uint8Array): Route {
  return {
    sourceMac,
    destinationMac: destinationMac.slice(),
    source: ip.destination.slice(),
    destination: ip.source.slice(),
  };
}

/** Bytes of the IP header that {@link ipPacket} writes. */
export const ipHeaderLength = (route: Route): number => (route.source.length === 4 ? 20 : 40);

/** A packet with `length` bytes of payload, still zero, at its end. Not to be fragmented, unless it is a `fragment`. */
export function ipPacket(
  route: Route,
  protocol: number,
  length: number,
  { hopLimit = 64, fragment }: { hopLimit?: number; fragment?: Ip["fragment"] } = {},
): Uint8Array {
  const v4 = route.source.length === 4;
  const extension = !v4 && fragment ? 8 : 0;
  const packet = newPacket(
    route.destinationMac,
    route.sourceMac,
    v4 ? EtherType.IPV4 : EtherType.IPV6,
    ipHeaderLength(route) + extension + length,
  );
  (v4 ? writeIpv4 : writeIpv6)(packet, IP_AT, route, protocol, length, hopLimit, fragment);
  return packet;
}
