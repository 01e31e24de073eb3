import { addressText } from "../../net/address.ts";
import { DhcpPort } from "../../net/dhcp.ts";
import { Icmp6Type, IcmpType } from "../../net/icmp.ts";
import { decodeDhcp } from "./dhcp.ts";
import { decodeDns } from "./dns.ts";
import { type DecodedLayer, flags, hexShown, LayerReader, named, sizeShown } from "./layer.ts";

const DNS_PORT = 53;

const ICMP_TYPES: Readonly<Record<number, string>> = {
  [IcmpType.ECHO_REPLY]: "echo reply",
  [IcmpType.UNREACHABLE]: "destination unreachable",
  5: "redirect",
  [IcmpType.ECHO]: "echo request",
  [IcmpType.TIME_EXCEEDED]: "time exceeded",
};

const ICMP6_TYPES: Readonly<Record<number, string>> = {
  [Icmp6Type.UNREACHABLE]: "destination unreachable",
  2: "packet too big",
  [Icmp6Type.TIME_EXCEEDED]: "time exceeded",
  [Icmp6Type.PARAMETER]: "parameter problem",
  [Icmp6Type.ECHO]: "echo request",
  [Icmp6Type.ECHO_REPLY]: "echo reply",
  [Icmp6Type.ROUTER_SOLICITATION]: "router solicitation",
  [Icmp6Type.ROUTER_ADVERTISEMENT]: "router advertisement",
  [Icmp6Type.NEIGHBOUR_SOLICITATION]: "neighbour solicitation",
  [Icmp6Type.NEIGHBOUR_ADVERTISEMENT]: "neighbour advertisement",
  143: "multicast listener report",
};

const TCP_FLAGS = flags([
  [1, "FIN"],
  [2, "SYN"],
  [4, "RST"],
  [8, "PSH"],
  [16, "ACK"],
  [32, "URG"],
  [64, "ECE"],
  [128, "CWR"],
]);

/** RFC 792. */
export function decodeIcmp(bytes: Uint8Array, at: number, end: number): DecodedLayer {
  const reader = new LayerReader("ICMP", bytes, at, end);
  const type = reader.number("type", 1, named(ICMP_TYPES));
  reader.number("code", 1);
  reader.number("checksum", 2, hexShown(4));
  if (type === IcmpType.ECHO || type === IcmpType.ECHO_REPLY) echo(reader);
  else reader.rest("data", sizeShown);
  return reader.layer;
}

/** RFC 4443, RFC 4861. */
export function decodeIcmp6(bytes: Uint8Array, at: number, end: number): DecodedLayer {
  const reader = new LayerReader("ICMPv6", bytes, at, end);
  const type = reader.number("type", 1, named(ICMP6_TYPES));
  reader.number("code", 1);
  reader.number("checksum", 2, hexShown(4));
  if (type === Icmp6Type.ECHO || type === Icmp6Type.ECHO_REPLY) echo(reader);
  else if (type === Icmp6Type.NEIGHBOUR_SOLICITATION || type === Icmp6Type.NEIGHBOUR_ADVERTISEMENT) {
    reader.number("flags", 4, hexShown(8));
    reader.raw("target", 16, addressText);
    reader.rest("options", sizeShown);
  } else reader.rest("data", sizeShown);
  return reader.layer;
}

function echo(reader: LayerReader): void {
  reader.number("identifier", 2);
  reader.number("sequence number", 2);
  reader.rest("data", sizeShown);
}

/** RFC 9293. */
export function decodeTcp(bytes: Uint8Array, at: number, end: number): DecodedLayer[] {
  const reader = new LayerReader("TCP", bytes, at, end);
  const ports = [reader.number("source port", 2), reader.number("destination port", 2)];
  reader.number("sequence number", 4);
  reader.number("acknowledgement number", 4);
  const offset = reader.number("data offset", 1, (value) => ({
    value: String(value >> 4),
    meaning: `a header of ${(value >> 4) * 4} bytes`,
  }));
  reader.number("flags", 1, TCP_FLAGS);
  reader.number("window", 2);
  reader.number("checksum", 2, hexShown(4));
  const urgent = reader.number("urgent pointer", 2);
  const length = ((offset ?? 0) >> 4) * 4;
  if (urgent === undefined || length < 20) return [reader.layer];
  if (length > 20 && !reader.raw("options", length - 20, sizeShown)) return [reader.layer];
  const from = at + length;
  // A DNS message over TCP begins with its length (RFC 1035, 4.2.2).
  if (ports.includes(DNS_PORT) && end - from > 2 && from + 2 < bytes.length)
    return [reader.layer, ...decodeDns(bytes, from + 2, end)];
  reader.rest("data", sizeShown);
  return [reader.layer];
}

/** RFC 768. */
export function decodeUdp(bytes: Uint8Array, at: number, end: number): DecodedLayer[] {
  const reader = new LayerReader("UDP", bytes, at, end);
  const ports = [reader.number("source port", 2), reader.number("destination port", 2)];
  const length = reader.number("length", 2);
  const sum = reader.number("checksum", 2, hexShown(4));
  if (sum === undefined) return [reader.layer];
  const stop = Math.min(end, at + Math.max(length!, 8));
  if (reader.at < Math.min(stop, bytes.length)) {
    if (ports.includes(DhcpPort.SERVER) && ports.includes(DhcpPort.CLIENT))
      return [reader.layer, decodeDhcp(bytes, reader.at, stop)];
    if (ports.includes(DNS_PORT)) return [reader.layer, ...decodeDns(bytes, reader.at, stop)];
  }
  reader.rest("data", sizeShown);
  return [reader.layer];
}
