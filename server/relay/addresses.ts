import { addressText } from "../../src/net/address.ts";
import { EtherType, etherTypeOf } from "../../src/net/ethernet.ts";
import { ETHERNET, HEADER } from "../../src/net/packet.ts";

const IP = HEADER + ETHERNET;
const ICMPV6 = 58;
const FIRST_DISCOVERY = 133;
const ADVERTISEMENT = 136;

/**
 * The address that the sender of this packet says it has, in ARP or neighbour discovery; undefined in all other packets, and
 * while it is only asking whether somebody else has it. The packet has a whole Ethernet header.
 */
export function addressIn(packet: Uint8Array): string | undefined {
  switch (etherTypeOf(packet)) {
    case EtherType.ARP:
      return packet.length < IP + 28 ? undefined : known(packet.subarray(IP + 14, IP + 18));
    case EtherType.IPV6: {
      const type = packet[IP + 40];
      const isDiscovery = packet[IP + 6] === ICMPV6 && type! >= FIRST_DISCOVERY && type! <= ADVERTISEMENT;
      if (packet.length < IP + 64 || !isDiscovery) return undefined;
      return known(packet.subarray(IP + 8, IP + 24));
    }
    default:
      return undefined;
  }
}

/** As text, unless it is the address of nobody. */
function known(address: Uint8Array): string | undefined {
  return address.every((byte) => byte === 0) ? undefined : addressText(address);
}
