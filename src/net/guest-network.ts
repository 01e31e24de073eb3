/** The network that guests are in, whoever is its gateway, a page or a room's way out: a guest has the same address with both. */
import { ipv4Bytes, parseAddress } from "./address.ts";
import { get32 } from "./bytes.ts";
import { linkLocal } from "./neighbour.ts";

/** Every gateway has the same addresses: there is one for each guest, and what it says never crosses into a room. */
export const GATEWAY_MAC: Uint8Array = Uint8Array.of(0x52, 0x55, 0x0a, 0x4d, 0x00, 0x01);
export const GATEWAY = parseAddress("10.77.0.1")!;
export const NETMASK = parseAddress("255.255.0.0")!;
export const BROADCAST_ADDRESS = parseAddress("10.77.255.255")!;
export const GATEWAY6 = parseAddress("fd00:77::1")!;
export const GATEWAY_LINK_LOCAL = linkLocal(GATEWAY_MAC);
/** Of 64 bits. */
export const PREFIX6 = parseAddress("fd00:77::")!;

const GUESTS_FROM = get32(parseAddress("10.77.1.0")!, 0);
const SUBNETS = 254;
/** Addresses of a subnet of 256 without .0 and .255, which some software takes for more than an address. */
const HOSTS = 254;
/** How many addresses guests can have: 10.77.1.1 to 10.77.254.254. */
export const GUESTS = SUBNETS * HOSTS;

/**
 * An address for the guest with this MAC address, out of a hash, so that guests in one room have different ones without asking
 * anybody; `attempt` counts from 0 those that turned out to be somebody else's.
 */
export function guestAddress(mac: Uint8Array, attempt: number): Uint8Array {
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (const byte of mac) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  // 40503 has no factor in common with GUESTS: all are tried before one comes again.
  const number = ((hash % GUESTS) + attempt * 40503) % GUESTS;
  return ipv4Bytes(GUESTS_FROM + Math.floor(number / HOSTS) * 256 + (number % HOSTS) + 1);
}

/** Whether it is in 10.77.0.0/16. */
export function isInNetwork(address: Uint8Array): boolean {
  return address[0] === GATEWAY[0] && address[1] === GATEWAY[1];
}
