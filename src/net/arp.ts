import { get16, set16 } from "./bytes.ts";
import { EtherType, newPacket } from "./ethernet.ts";
import { ETHERNET, HEADER } from "./packet.ts";

export const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;

/** Ethernet and IPv4 (RFC 826). */
export interface Arp {
  operation: number;
  senderMac: Uint8Array;
  senderAddress: Uint8Array;
  targetMac: Uint8Array;
  targetAddress: Uint8Array;
}

const LENGTH = 28;
const ARP = HEADER + ETHERNET;

/** What a packet of EtherType ARP says; its fields share the packet's bytes. Undefined for other networks than IPv4 on Ethernet. */
export function parseArp(packet: Uint8Array): Arp | undefined {
  if (packet.length < ARP + LENGTH) return undefined;
  if (get16(packet, ARP) !== 1 || get16(packet, ARP + 2) !== EtherType.IPV4) return undefined;
  if (packet[ARP + 4] !== 6 || packet[ARP + 5] !== 4) return undefined;
  return {
    operation: get16(packet, ARP + 6),
    senderMac: packet.subarray(ARP + 8, ARP + 14),
    senderAddress: packet.subarray(ARP + 14, ARP + 18),
    targetMac: packet.subarray(ARP + 18, ARP + 24),
    targetAddress: packet.subarray(ARP + 24, ARP + 28),
  };
}

/** A plain packet to `destination`, from the MAC address of its sender. */
export function arpPacket(destination: Uint8Array, arp: Arp): Uint8Array {
  const packet = newPacket(destination, arp.senderMac, EtherType.ARP, LENGTH);
  set16(packet, ARP, 1);
  set16(packet, ARP + 2, EtherType.IPV4);
  packet[ARP + 4] = 6;
  packet[ARP + 5] = 4;
  set16(packet, ARP + 6, arp.operation);
  packet.set(arp.senderMac, ARP + 8);
  packet.set(arp.senderAddress, ARP + 14);
  packet.set(arp.targetMac, ARP + 18);
  packet.set(arp.targetAddress, ARP + 24);
  return packet;
}
