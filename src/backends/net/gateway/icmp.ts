import { sameBytes } from "../../../net/bytes.ts";
import { BROADCAST, sourceOf } from "../../../net/ethernet.ts";
import {
  Icmp6Type,
  icmpError,
  icmpFault,
  icmpMessage,
  icmpPacket,
  icmpProtocol,
  IcmpType,
} from "../../../net/icmp.ts";
import { type Ip, Protocol, type Route, routeBack } from "../../../net/ip.ts";
import {
  neighbourAdvertisement,
  routerAdvertisement,
  solicitedNode,
  solicitedTarget,
} from "../../../net/neighbour.ts";
import { parseAddress } from "../../../net/address.ts";
import { GATEWAY, GATEWAY6, GATEWAY_LINK_LOCAL, GATEWAY_MAC, PREFIX6 } from "./addresses.ts";
import type { DropReason } from "./drops.ts";
import { inPieces } from "./fragments.ts";

const UNSPECIFIED = new Uint8Array(16);
const ALL_NODES = parseAddress("ff02::1")!;
const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
/** Of neighbour discovery: what is less has crossed a router and is forged (RFC 4861, 7.1). */
const SAME_LINK = 255;
/** Seconds. */
const PREFIX_LIFETIME = 24 * 3600;

export interface IcmpOptions {
  mtu: number;
  send: (packet: Uint8Array) => void;
}

/** Echoes, errors, and neighbour and router discovery of a gateway. Errors are about unicasts to its MAC address only. */
export class Icmp {
  readonly #options: IcmpOptions;
  #identification = 0;

  constructor(options: IcmpOptions) {
    this.#options = options;
  }

  /** A message to the gateway itself. Returns why it came to nothing. */
  own(packet: Uint8Array, ip: Ip): DropReason | undefined {
    const fault = icmpFault(packet, ip);
    if (fault !== undefined) return fault;
    const type = packet[ip.payload]!;
    if (type === (ip.version === 4 ? IcmpType.ECHO : Icmp6Type.ECHO))
      this.#echo(packet, ip, back(packet, ip));
    else if (ip.version === 6) this.#discovery(packet, ip, type);
    // An error about what the gateway has sent: TCP finds out itself, and nothing else waits for an answer.
    return undefined;
  }

  /** A message of ICMPv6 to a group. Returns whether it was for routers, or asked for the gateway, and for nobody else. */
  group(packet: Uint8Array, ip: Ip): boolean {
    if (icmpFault(packet, ip) !== undefined) return false;
    const type = packet[ip.payload]!;
    if (
      type === Icmp6Type.ECHO &&
      sameBytes(ip.destination, ALL_NODES) &&
      !sameBytes(ip.source, UNSPECIFIED)
    ) {
      this.#echo(packet, ip, { ...back(packet, ip), source: GATEWAY_LINK_LOCAL });
      return false;
    }
    return this.#discovery(packet, ip, type);
  }

  /** It is for somewhere else, and has come too far: how traceroute sees the gateway. */
  expired(packet: Uint8Array, ip: Ip): true {
    return this.#error(packet, ip, [IcmpType.TIME_EXCEEDED, 0], [Icmp6Type.TIME_EXCEEDED, 0]);
  }

  /** Nothing of this kind leads there: communication administratively prohibited, for both. */
  unreachable(packet: Uint8Array, ip: Ip): true {
    return this.#error(packet, ip, [IcmpType.UNREACHABLE, 13], [Icmp6Type.UNREACHABLE, 1]);
  }

  noPort(packet: Uint8Array, ip: Ip): true {
    return this.#error(packet, ip, [IcmpType.UNREACHABLE, 3], [Icmp6Type.UNREACHABLE, 4]);
  }

  /** The protocol is not known here; `own`: and the gateway itself was meant. */
  unknownProtocol(packet: Uint8Array, ip: Ip, own: boolean): true {
    if (!own) return this.unreachable(packet, ip);
    // Of IPv6 a pointer to what was not understood: where a header without extensions names what follows.
    return this.#error(packet, ip, [IcmpType.UNREACHABLE, 2], [Icmp6Type.PARAMETER, 1], 6);
  }

  #echo(packet: Uint8Array, ip: Ip, route: Route): void {
    const type = ip.version === 4 ? IcmpType.ECHO_REPLY : Icmp6Type.ECHO_REPLY;
    const message = icmpMessage(route, type, 0, packet.subarray(ip.payload + 4, ip.end));
    this.#identification = (this.#identification + 1) & 0xffff;
    const { mtu, send } = this.#options;
    for (const piece of inPieces(route, icmpProtocol(route), message, mtu, this.#identification)) send(piece);
  }

  #discovery(packet: Uint8Array, ip: Ip, type: number): boolean {
    if (ip.hopLimit !== SAME_LINK || packet[ip.payload + 1] !== 0) return false;
    if (type === Icmp6Type.ROUTER_SOLICITATION) this.#advertiseRouter(packet, ip);
    else if (type !== Icmp6Type.NEIGHBOUR_SOLICITATION) return false;
    else return this.#advertiseNeighbour(packet, ip);
    return true;
  }

  #advertiseRouter(packet: Uint8Array, ip: Ip): void {
    const body = routerAdvertisement({
      mac: GATEWAY_MAC,
      prefix: PREFIX6,
      lifetime: PREFIX_LIFETIME,
      mtu: this.#options.mtu,
      dnsServer: GATEWAY6,
    });
    const route = this.#discoveryRoute(packet, ip, GATEWAY_LINK_LOCAL);
    this.#options.send(icmpPacket(route, Icmp6Type.ROUTER_ADVERTISEMENT, 0, body, SAME_LINK));
  }

  #advertiseNeighbour(packet: Uint8Array, ip: Ip): boolean {
    const target = solicitedTarget(packet, ip.payload, ip.end);
    if (!target || !(sameBytes(target, GATEWAY6) || sameBytes(target, GATEWAY_LINK_LOCAL))) return false;
    const probe = sameBytes(ip.source, UNSPECIFIED);
    // Who has no address yet asks the group of the one that it would like (RFC 4861, 7.1.1).
    if (probe && !sameBytes(ip.destination, solicitedNode(target))) return false;
    const route = this.#discoveryRoute(packet, ip, target.slice());
    const body = neighbourAdvertisement(target, GATEWAY_MAC, !probe);
    this.#options.send(icmpPacket(route, Icmp6Type.NEIGHBOUR_ADVERTISEMENT, 0, body, SAME_LINK));
    return true;
  }

  /** To who asked, or to all when that one has no address. */
  #discoveryRoute(packet: Uint8Array, ip: Ip, source: Uint8Array): Route {
    if (!sameBytes(ip.source, UNSPECIFIED)) return { ...back(packet, ip), source };
    return { sourceMac: GATEWAY_MAC, destinationMac: ALL_NODES_MAC, source, destination: ALL_NODES };
  }

  #error(
    packet: Uint8Array,
    ip: Ip,
    v4: readonly [type: number, code: number],
    v6: readonly [type: number, code: number],
    value = 0,
  ): true {
    if (isError(packet, ip) || sameBytes(sourceOf(packet), BROADCAST)) return true;
    const [type, code] = ip.version === 4 ? v4 : v6;
    const route = { ...back(packet, ip), source: ip.version === 4 ? GATEWAY : GATEWAY6 };
    this.#options.send(icmpError(route, type, code, packet, ip, value));
    return true;
  }
}

/** Errors are not answered with errors (RFC 1122, 3.2.2). */
function isError(packet: Uint8Array, { version, protocol, payload, end }: Ip): boolean {
  if (payload >= end) return false;
  const type = packet[payload]!;
  if (version === 6) return protocol === Protocol.ICMPV6 && type < 128;
  return protocol === Protocol.ICMP && ![IcmpType.ECHO, IcmpType.ECHO_REPLY].some((known) => known === type);
}

function back(packet: Uint8Array, ip: Ip): Route {
  return routeBack(ip, GATEWAY_MAC, sourceOf(packet));
}
