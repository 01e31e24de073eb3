/**
 * A packet is what virtio-net puts on its queues and what all wires carry: struct virtio_net_hdr of a device with
 * VIRTIO_F_VERSION_1 (virtio 1.3, 5.1.6, little-endian), then an Ethernet frame without its check sequence, in one array.
 *
 *     0 flags · 1 gso_type · 2 hdr_len · 4 gso_size · 6 csum_start · 8 csum_offset · 10 num_buffers · 12 frame
 *
 * With a header of zeroes it is a plain frame. Otherwise its checksum is not there yet (NEEDS_CSUM), or it is one TCP segment
 * of up to 64 KiB that whoever cannot take it whole cuts into pieces of `gso_size` (./offload.ts does both).
 */

/** Bytes of the header. */
export const HEADER = 12;

/** Where the header's fields are (bytes). */
export const Field = {
  flags: 0,
  gsoType: 1,
  headerLength: 2,
  gsoSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
  buffers: 10,
} as const;

export const Flag = { NEEDS_CSUM: 1, DATA_VALID: 2 } as const;

/** gso_type. ECN is a bit beside one of the others. */
export const Gso = { NONE: 0, TCPV4: 1, UDP: 3, TCPV6: 4, UDP_L4: 5, ECN: 0x80 } as const;

/** Bytes of an Ethernet header: destination, source, EtherType. */
export const ETHERNET = 14;

/** The longest packet without its header: an Ethernet header, two VLAN tags and 65,535 bytes (65,550 by 5.1.6.3.1, and tags). */
export const LONGEST_FRAME = ETHERNET + 8 + 65535;

/** A packet around a plain frame. */
export function packetOf(frame: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADER + frame.length);
  packet.set(frame, HEADER);
  return packet;
}

/** Without anything left to do for it: checksums are there, and it is no larger than what it was meant to be on the wire. */
export function isPlain(packet: Uint8Array): boolean {
  return (packet[Field.flags]! & Flag.NEEDS_CSUM) === 0 && packet[Field.gsoType] === Gso.NONE;
}

/** The Ethernet frame in it; shares its bytes. */
export function frameOf(packet: Uint8Array): Uint8Array {
  return packet.subarray(HEADER);
}
