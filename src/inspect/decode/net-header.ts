import { Field, Flag, Gso } from "../../net/packet.ts";
import { type DecodedLayer, flags, LayerReader } from "./layer.ts";

const HEADER_FLAGS = flags([
  [Flag.NEEDS_CSUM, "NEEDS_CSUM: the checksum is still to be filled in"],
  [Flag.DATA_VALID, "DATA_VALID: the checksum was found right"],
  [4, "RSC_INFO: segments were put together"],
]);

const GSO_NAMES: Readonly<Record<number, string>> = {
  [Gso.NONE]: "GSO_NONE: a packet as it goes on the wire",
  [Gso.TCPV4]: "GSO_TCPV4: TCP over IPv4, to be cut into segments",
  [Gso.UDP]: "GSO_UDP: UDP, to be fragmented",
  [Gso.TCPV6]: "GSO_TCPV6: TCP over IPv6, to be cut into segments",
  [Gso.UDP_L4]: "GSO_UDP_L4: UDP, to be cut into datagrams",
};

/** struct virtio_net_hdr at the beginning of the bytes. @param length 12, or 10 without num_buffers (5.1.6.1) */
export function decodeNetHeader(bytes: Uint8Array, length: number): DecodedLayer {
  const reader = new LayerReader("virtio-net header", bytes, 0, length, "5.1.6");
  reader.number("flags", 1, HEADER_FLAGS);
  reader.number("gso_type", 1, (type) => {
    const name = GSO_NAMES[type & ~Gso.ECN] ?? "not known";
    return { value: String(type), meaning: type & Gso.ECN ? `${name}, with ECN` : name };
  });
  reader.number("hdr_len", 2);
  reader.number("gso_size", 2);
  reader.number("csum_start", 2, (start) => ({
    value: String(start),
    meaning: "from the frame's first byte on",
  }));
  reader.number("csum_offset", 2, (offset) => ({ value: String(offset), meaning: "from csum_start on" }));
  if (length > Field.buffers) {
    reader.number("num_buffers", 2, (buffers) => ({
      value: String(buffers),
      meaning: "receive buffers that the packet lies in",
    }));
  }
  return reader.layer;
}
