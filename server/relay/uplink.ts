/**
 * A room's way out, as the relay sees it. Each member has a connection of its own, which sees only what that member sends out:
 * the relay gives it (and nobody else in the room) the member's packets that {@link isOutbound} picks, and what comes back goes
 * to that member alone.
 */
import { EtherType, etherTypeOf } from "../../src/net/ethernet.ts";
import { get16, sameBytes } from "../../src/net/bytes.ts";
import { ETHERNET, HEADER } from "../../src/net/packet.ts";
import { macAt } from "./mac-address.ts";

export interface UplinkFactory {
  /** The gateway's, the same for all members; no member may use it. */
  readonly gatewayMac: Uint8Array;
  /** The gateway's addresses, of 4 or 16 bytes: who asks for their MAC addresses asks the uplink. */
  readonly addresses: readonly Uint8Array[];
  /**
   * Opens the way out of one member. `port` may be called at any time from then on until `dispose`. Rejects with a sentence
   * for the log; it is tried again, at the earliest after {@link RETRY_AFTER}, when the member sends something out.
   */
  attach(member: UplinkMember, port: UplinkPort): Promise<MemberUplink> | MemberUplink;
  /** Ends all that is still attached. Called once, when the relay has closed its members. */
  dispose(): Promise<void>;
  /** What it has to say in Prometheus' text format, as whole lines. */
  metrics(): string;
}

export interface UplinkMember {
  room: string;
  /** Unique among all members of all relays. */
  id: string;
  /** As in `02:00:5e:10:00:01`. */
  mac: string;
}

/** What a member is for its uplink. */
export interface UplinkPort {
  /** A packet for the member (src/net/packet.ts); it belongs to the relay from then on, which may drop it. */
  receive(packet: Uint8Array): void;
  /** The uplink ended by itself: why, for the log. It is attached anew like one that failed. */
  closed(reason: string): void;
}

export interface MemberUplink {
  /**
   * What the member sent: at most 65,569 bytes with its header, which fits the frame. May be a TCP segment that is still to be
   * cut, and without its checksum. Shares its bytes with others, or with nobody for long: copy what you keep, change nothing.
   * Never throws.
   */
  send(packet: Uint8Array): void;
  dispose(): void;
}

/** Milliseconds. */
export const RETRY_AFTER = 1000;

const IP = HEADER + ETHERNET;
const UDP = 17;
const ICMPV6 = 58;
const DHCP_SERVER = 67;
const DHCPV6_SERVER = 547;
const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;

/**
 * Whether a packet with a whole Ethernet header is for the uplink: what is sent to the gateway, ARP and neighbour solicitation
 * for its addresses, DHCP to whoever serves it, and router solicitation. Tagged frames stay in the room.
 */
export function isOutbound(packet: Uint8Array, { gatewayMac, addresses }: UplinkFactory): boolean {
  const isGroup = (packet[HEADER]! & 1) !== 0;
  if (!isGroup) return macAt(packet, HEADER) === macAt(gatewayMac, 0);
  switch (etherTypeOf(packet)) {
    case EtherType.ARP:
      return packet.length >= IP + 28 && isAmong(addresses, packet.subarray(IP + 24, IP + 28));
    case EtherType.IPV4: {
      const udp = IP + (packet[IP]! & 15) * 4;
      return packet.length >= udp + 8 && packet[IP + 9] === UDP && get16(packet, udp + 2) === DHCP_SERVER;
    }
    case EtherType.IPV6:
      return packet.length >= IP + 48 && isOutboundIpv6(packet, addresses);
    default:
      return false;
  }
}

function isOutboundIpv6(packet: Uint8Array, addresses: readonly Uint8Array[]): boolean {
  const payload = IP + 40;
  const protocol = packet[IP + 6];
  if (protocol === UDP) return get16(packet, payload + 2) === DHCPV6_SERVER;
  if (protocol !== ICMPV6) return false;
  if (packet[payload] === ROUTER_SOLICITATION) return true;
  if (packet[payload] !== NEIGHBOUR_SOLICITATION || packet.length < payload + 24) return false;
  return isAmong(addresses, packet.subarray(payload + 8, payload + 24));
}

/** Whether a member says that the gateway's addresses are its own, or that it is a router: others would believe it. */
export function claimsGateway(packet: Uint8Array, { addresses }: UplinkFactory): boolean {
  const type = etherTypeOf(packet);
  if (type === EtherType.ARP) {
    return packet.length >= IP + 28 && isAmong(addresses, packet.subarray(IP + 14, IP + 18));
  }
  const payload = IP + 40;
  if (type !== EtherType.IPV6 || packet[IP + 6] !== ICMPV6 || packet.length < payload + 8) return false;
  if (packet[payload] === ROUTER_ADVERTISEMENT) return true;
  if (packet[payload] !== NEIGHBOUR_ADVERTISEMENT || packet.length < payload + 24) return false;
  return isAmong(addresses, packet.subarray(payload + 8, payload + 24));
}

function isAmong(addresses: readonly Uint8Array[], wanted: Uint8Array): boolean {
  return addresses.some((address) => sameBytes(address, wanted));
}
