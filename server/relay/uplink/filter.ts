/**
 * What a member may send out. passt trusts its guest: it forwards what it is given, to whatever address, takes a fragment for a
 * whole datagram and verifies no checksum. So everything is judged here, and only what is understood goes on.
 */
import { parseArp, ArpOperation } from "../../../src/net/arp.ts";
import { get16, sameBytes } from "../../../src/net/bytes.ts";
import { DhcpPort } from "../../../src/net/dhcp.ts";
import { EtherType, etherTypeOf, sourceOf } from "../../../src/net/ethernet.ts";
import { GATEWAY, GATEWAY6, GATEWAY_LINK_LOCAL, PREFIX6 } from "../../../src/net/guest-network.ts";
import { Icmp6Type, IcmpType } from "../../../src/net/icmp.ts";
import { IP_AT, parseIp, Protocol, type Ip } from "../../../src/net/ip.ts";
import { solicitedTarget } from "../../../src/net/neighbour.ts";
import { ETHERNET, HEADER } from "../../../src/net/packet.ts";
import type { Reach } from "./ranges.ts";
import type { UplinkDrop } from "./refusal.ts";

/** Addresses of one guest. */
export interface Guest {
  mac: Uint8Array;
  /** The only IPv4 address that it may use. */
  address: Uint8Array;
  /** Who answers what it asks the gateway; undefined: nobody. */
  dns: Uint8Array | undefined;
}

export type Judgement =
  /** To passt as it is. `ip` unless it is ARP. */
  | { verdict: "pass"; ip: Ip | undefined }
  /** To passt, with its UDP port or echo identifier translated. */
  | { verdict: "translate"; ip: Ip }
  /** To passt, for the DNS server. */
  | { verdict: "dns"; ip: Ip }
  /** To passt, a DHCP message. */
  | { verdict: "dhcp"; ip: Ip }
  /** A ping of the gateway. */
  | { verdict: "echo"; ip: Ip }
  /** With `ip` it is answered with an ICMP error. */
  | { verdict: "drop"; reason: UplinkDrop; ip: Ip | undefined };

/** UDP and TCP. */
export const DNS_PORT = 53;
const DHCPV6_SERVER = 547;
const ANYONE = new Uint8Array(4);
const LEAST_TRANSPORT: Readonly<Record<number, number>> = {
  [Protocol.TCP]: 20,
  [Protocol.UDP]: 8,
  [Protocol.ICMP]: 8,
  [Protocol.ICMPV6]: 8,
};

export function judge(packet: Uint8Array, guest: Guest, reach: Reach): Judgement {
  if (packet.length < HEADER + ETHERNET) return drop("malformed");
  if (!sameBytes(sourceOf(packet), guest.mac)) return drop("foreign");
  const type = etherTypeOf(packet);
  if (type === EtherType.ARP) return judgeArp(packet, guest);
  if (type !== EtherType.IPV4 && type !== EtherType.IPV6) return drop("protocol");
  const ip = parseIp(packet);
  if (typeof ip === "string") return drop("malformed");
  // Options and extensions have addresses of their own, and whoever reads them otherwise than we do sees another packet.
  if (ip.payload !== IP_AT + (ip.version === 4 ? 20 : 40)) return drop("protocol");
  if (ip.fragment) return drop("fragment", ip);
  if (ip.end - ip.payload < (LEAST_TRANSPORT[ip.protocol] ?? 0)) return drop("malformed");
  return ip.version === 4 ? judgeIpv4(packet, ip, guest, reach) : judgeIpv6(packet, ip, reach);
}

function judgeArp(packet: Uint8Array, guest: Guest): Judgement {
  const arp = parseArp(packet);
  if (!arp) return drop("malformed");
  if (!sameBytes(arp.senderMac, guest.mac)) return drop("foreign");
  const isItsOwn = sameBytes(arp.senderAddress, guest.address) || sameBytes(arp.senderAddress, ANYONE);
  if (!isItsOwn) return drop("foreign");
  if (arp.operation !== ArpOperation.REQUEST || !sameBytes(arp.targetAddress, GATEWAY))
    return drop("protocol");
  return { verdict: "pass", ip: undefined };
}

function judgeIpv4(packet: Uint8Array, ip: Ip, guest: Guest, reach: Reach): Judgement {
  const port = portOf(packet, ip);
  if (ip.protocol === Protocol.UDP && port === DhcpPort.SERVER) {
    const isItsOwn = sameBytes(ip.source, ANYONE) || sameBytes(ip.source, guest.address);
    const isToServer = sameBytes(ip.destination, GATEWAY) || ip.destination.every((byte) => byte === 255);
    if (!isItsOwn) return drop("foreign", ip);
    return isToServer ? { verdict: "dhcp", ip } : drop("private", ip);
  }
  if (!sameBytes(ip.source, guest.address)) return drop("foreign", ip);
  if (sameBytes(ip.destination, GATEWAY)) {
    if (guest.dns && ip.protocol === Protocol.UDP && port === DNS_PORT) return { verdict: "dns", ip };
    if (isEcho(packet, ip)) return { verdict: "echo", ip };
    return drop("private", ip);
  }
  return judgeOutbound(packet, ip, port, reach);
}

function judgeIpv6(packet: Uint8Array, ip: Ip, reach: Reach): Judgement {
  const isLinkLocal = ip.source[0] === 0xfe && ip.source[1] === 0x80;
  const isOnLink = sameBytes(ip.source.subarray(0, 8), PREFIX6.subarray(0, 8));
  const type = packet[ip.payload]!;
  if (ip.protocol === Protocol.ICMPV6) {
    // A router solicitation may come from nobody: the guest has no address yet.
    if (type === Icmp6Type.ROUTER_SOLICITATION) {
      const isNobody = ip.source.every((byte) => byte === 0);
      return isNobody || isLinkLocal || isOnLink ? { verdict: "pass", ip } : drop("foreign");
    }
    if (type === Icmp6Type.NEIGHBOUR_SOLICITATION)
      return judgeSolicitation(packet, ip, isLinkLocal || isOnLink);
    if (type === Icmp6Type.NEIGHBOUR_ADVERTISEMENT) return drop("protocol");
  }
  if (!isLinkLocal && !isOnLink) return drop("foreign", ip);
  const port = portOf(packet, ip);
  if (ip.protocol === Protocol.UDP && port === DHCPV6_SERVER) {
    return isLinkLocal ? { verdict: "pass", ip } : drop("foreign", ip);
  }
  if (sameBytes(ip.destination, GATEWAY6) || sameBytes(ip.destination, GATEWAY_LINK_LOCAL)) {
    return isEcho(packet, ip) ? { verdict: "echo", ip } : drop("private", ip);
  }
  // passt would send with an address of the host's own link.
  if (isLinkLocal) return drop("foreign", ip);
  return judgeOutbound(packet, ip, port, reach);
}

/** passt answers for every address. */
function judgeSolicitation(packet: Uint8Array, ip: Ip, isItsOwn: boolean): Judgement {
  const target = solicitedTarget(packet, ip.payload, ip.end);
  if (!target) return drop("malformed");
  if (!isItsOwn) return drop("foreign");
  const isGateway = sameBytes(target, GATEWAY6) || sameBytes(target, GATEWAY_LINK_LOCAL);
  return isGateway ? { verdict: "pass", ip } : drop("protocol");
}

function judgeOutbound(packet: Uint8Array, ip: Ip, port: number | undefined, reach: Reach): Judgement {
  const echo = isEcho(packet, ip);
  // An error or an answer of the guest's is for nobody here, and an error gets none back (RFC 1122, 3.2.2).
  const isOtherIcmp = !echo && (ip.protocol === Protocol.ICMP || ip.protocol === Protocol.ICMPV6);
  if (isOtherIcmp) return drop("protocol");
  if (!reach.allows(ip.destination, port)) return drop("private", ip);
  if (echo || ip.protocol === Protocol.UDP) return { verdict: "translate", ip };
  return ip.protocol === Protocol.TCP ? { verdict: "pass", ip } : drop("protocol", ip);
}

const portOf = (packet: Uint8Array, ip: Ip): number | undefined =>
  ip.protocol === Protocol.TCP || ip.protocol === Protocol.UDP ? get16(packet, ip.payload + 2) : undefined;

function isEcho(packet: Uint8Array, ip: Ip): boolean {
  return ip.version === 4
    ? ip.protocol === Protocol.ICMP && packet[ip.payload] === IcmpType.ECHO
    : ip.protocol === Protocol.ICMPV6 && packet[ip.payload] === Icmp6Type.ECHO;
}

const drop = (reason: UplinkDrop, ip?: Ip): Judgement => ({ verdict: "drop", reason, ip });
