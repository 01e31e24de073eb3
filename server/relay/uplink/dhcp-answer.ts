/** passt tells its guest the host's DNS servers; the guest is to ask the gateway, which is the one it may reach. */
import { get16, set16 } from "../../../src/net/bytes.ts";
import { DhcpOption, DhcpPort } from "../../../src/net/dhcp.ts";
import { GATEWAY } from "../../../src/net/guest-network.ts";
import type { Ip } from "../../../src/net/ip.ts";

/** From the UDP header on. */
const OPTIONS = 8 + 240;

export const isDhcpAnswer = (packet: Uint8Array, ip: Ip): boolean =>
  get16(packet, ip.payload) === DhcpPort.SERVER && get16(packet, ip.payload + 2) === DhcpPort.CLIENT;

/** Puts the gateway's address in the place of every DNS server. In place; the packet goes without a checksum of UDP. */
export function nameGateway(packet: Uint8Array, ip: Ip): void {
  let at = ip.payload + OPTIONS;
  while (at + 2 <= ip.end && packet[at] !== 255) {
    if (packet[at] === 0) {
      at++;
      continue;
    }
    const [code, length] = [packet[at]!, packet[at + 1]!];
    at += 2;
    const end = Math.min(at + length, ip.end);
    if (code === DhcpOption.DNS_SERVERS)
      for (let each = at; each + 4 <= end; each += 4) packet.set(GATEWAY, each);
    at = end;
  }
  set16(packet, ip.payload + 6, 0);
}
