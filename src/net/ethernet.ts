import { get16, set16 } from "./bytes.ts";
import { ETHERNET, HEADER } from "./packet.ts";

export const EtherType = {
  IPV4: 0x0800,
  ARP: 0x0806,
  IPV6: 0x86dd,
  VLAN: 0x8100,
  SERVICE_VLAN: 0x88a8,
} as const;

export const BROADCAST: Uint8Array = new Uint8Array(6).fill(0xff);

/** Of a packet with a whole Ethernet header; the addresses share its bytes. */
export const destinationOf = (packet: Uint8Array): Uint8Array => packet.subarray(HEADER, HEADER + 6);
export const sourceOf = (packet: Uint8Array): Uint8Array => packet.subarray(HEADER + 6, HEADER + 12);
export const etherTypeOf = (packet: Uint8Array): number => get16(packet, HEADER + 12);

/** For a group, the broadcast address among them. */
export const isGroup = (mac: Uint8Array): boolean => (mac[0]! & 1) !== 0;

/** A plain packet with room for `length` bytes behind its Ethernet header; they are zero. */
export function newPacket(
  destination: Uint8Array,
  source: Uint8Array,
  etherType: number,
  length: number,
): Uint8Array {
  const packet = new Uint8Array(HEADER + ETHERNET + length);
  packet.set(destination, HEADER);
  packet.set(source, HEADER + 6);
  set16(packet, HEADER + 12, etherType);
  return packet;
}

/** As in `02:00:5e:10:00:01`. */
export function macText(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
