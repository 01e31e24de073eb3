/** Neighbour discovery (RFC 4861): options, and what is in its messages behind the checksum. */
import { set16, set32 } from "./bytes.ts";

const SOURCE_LINK = 1;
const TARGET_LINK = 2;
const PREFIX = 3;
const MTU = 5;
const DNS_SERVERS = 25;

/** The target of a solicitation; shares the bytes. Undefined when the message is too short. */
export function solicitedTarget(bytes: Uint8Array, payload: number, end: number): Uint8Array | undefined {
  return end - payload < 24 ? undefined : bytes.subarray(payload + 8, payload + 24);
}

/** The body of a neighbour advertisement (4.4), by a router. */
export function neighbourAdvertisement(target: Uint8Array, mac: Uint8Array, solicited: boolean): Uint8Array {
  const body = new Uint8Array(28);
  const ROUTER = 0x80;
  const SOLICITED = 0x40;
  const OVERRIDE = 0x20;
  body[0] = ROUTER | OVERRIDE | (solicited ? SOLICITED : 0);
  body.set(target, 4);
  body.set(linkOption(TARGET_LINK, mac), 20);
  return body;
}

export interface RouterInformation {
  mac: Uint8Array;
  /** 16 bytes, of which 8 count: a prefix of 64 bits that is on the link and that hosts make their addresses from. */
  prefix: Uint8Array;
  /** Seconds that the prefix and the DNS server are good for. */
  lifetime: number;
  mtu: number;
  dnsServer: Uint8Array;
}

/** The body of a router advertisement (4.2) with a lifetime of 0: addresses, but no default route. */
export function routerAdvertisement(information: RouterInformation): Uint8Array {
  const { mac, prefix, lifetime, mtu, dnsServer } = information;
  const body = new Uint8Array(12 + 8 + 8 + 32 + 24);
  body[0] = 64;
  body.set(linkOption(SOURCE_LINK, mac), 12);
  let at = 20;
  // A link of IPv6 has at least 1,280 (RFC 8200, 5); less would only be refused.
  body.set([MTU, 1], at);
  set32(body, at + 4, Math.max(mtu, 1280));
  at += 8;
  const ON_LINK = 0x80;
  const AUTONOMOUS = 0x40;
  body.set([PREFIX, 4, 64, ON_LINK | AUTONOMOUS], at);
  set32(body, at + 4, lifetime);
  set32(body, at + 8, lifetime);
  body.set(prefix, at + 16);
  at += 32;
  body.set([DNS_SERVERS, 3], at);
  set32(body, at + 4, lifetime);
  body.set(dnsServer, at + 8);
  return body;
}

/** The address of this interface on its link, made from its MAC address (RFC 4291, appendix A). */
export function linkLocal(mac: Uint8Array): Uint8Array {
  const address = new Uint8Array(16);
  set16(address, 0, 0xfe80);
  address.set(mac.subarray(0, 3), 8);
  address[8]! ^= 2;
  set16(address, 11, 0xfffe);
  address.set(mac.subarray(3), 13);
  return address;
}

/** The group that solicitations for an address go to (RFC 4291, 2.7.1). */
export function solicitedNode(address: Uint8Array): Uint8Array {
  const group = Uint8Array.from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0]);
  group.set(address.subarray(13), 13);
  return group;
}

function linkOption(type: number, mac: Uint8Array): Uint8Array {
  const option = new Uint8Array(8);
  option.set([type, 1]);
  option.set(mac, 2);
  return option;
}
