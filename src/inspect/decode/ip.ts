import { addressText } from "../../net/address.ts";
import { checksum } from "../../net/checksum.ts";
import { Protocol } from "../../net/ip-types.ts";
import {
  type DecodedLayer,
  flags,
  hex,
  hexShown,
  LayerReader,
  named,
  type Shown,
  sizeShown,
} from "./layer.ts";
import { decodeIcmp, decodeIcmp6, decodeTcp, decodeUdp } from "./transport.ts";

/** Extension headers that are followed. */
const MOST_EXTENSIONS = 8;

const PROTOCOLS: Readonly<Record<number, string>> = {
  0: "hop-by-hop options",
  2: "IGMP",
  43: "routing header",
  59: "nothing",
  60: "destination options",
  [Protocol.ICMP]: "ICMP",
  [Protocol.TCP]: "TCP",
  [Protocol.UDP]: "UDP",
  [Protocol.FRAGMENT]: "fragment header",
  [Protocol.ICMPV6]: "ICMPv6",
};

/** What lies behind headers of this length, and where it ends by the header's own word, which may be a lie. */
interface Payload {
  bytes: Uint8Array;
  at: number;
  end: number;
  protocol: number | undefined;
  /** A later part of a datagram: its header is in the first one. */
  isLaterFragment: boolean;
}

/** RFC 791. */
export function decodeIpv4(bytes: Uint8Array, at: number): DecodedLayer[] {
  const reader = new LayerReader("IPv4", bytes, at);
  const first = reader.number("version and header length", 1, (value) => ({
    value: hex(value, 2),
    meaning: `version ${value >> 4}, ${(value & 15) * 4} bytes`,
  }));
  reader.number("type of service", 1, hexShown(2));
  const total = reader.number("total length", 2);
  reader.number("identification", 2);
  const fragment = reader.number("flags and fragment offset", 2, (value) => {
    const { meaning } = flags([
      [0x4000, "not to be fragmented"],
      [0x2000, "more fragments follow"],
    ])(value) as { meaning: string };
    return { value: hex(value, 4), meaning: `${meaning}, offset ${(value & 0x1fff) * 8}` };
  });
  reader.number("time to live", 1);
  const protocol = reader.number("protocol", 1, named(PROTOCOLS));
  reader.number("header checksum", 2, (value) => ({
    value: hex(value, 4),
    meaning: headerSum(bytes, at, (first ?? 0) & 15),
  }));
  reader.raw("source", 4, addressText);
  const last = reader.raw("destination", 4, addressText);
  const length = ((first ?? 0) & 15) * 4;
  if (!last || first! >> 4 !== 4 || length < 20) return [reader.layer];
  if (length > 20) reader.raw("options", length - 20, sizeShown);
  const isLaterFragment = (fragment! & 0x1fff) !== 0;
  const payload = { bytes, at: at + length, end: at + total!, protocol, isLaterFragment };
  return [reader.layer, ...decodeTransport(payload)];
}

/** RFC 8200. */
export function decodeIpv6(bytes: Uint8Array, at: number): DecodedLayer[] {
  const reader = new LayerReader("IPv6", bytes, at, at + 40);
  const first = reader.number("version, class and flow label", 4, (value) => ({
    value: hex(value, 8),
    meaning: `version ${value >>> 28}, class ${(value >>> 20) & 0xff}, flow ${value & 0xfffff}`,
  }));
  const length = reader.number("payload length", 2);
  let protocol = reader.number("next header", 1, named(PROTOCOLS));
  reader.number("hop limit", 1);
  reader.raw("source", 16, addressText);
  if (!reader.raw("destination", 16, addressText) || first! >>> 28 !== 6) return [reader.layer];
  const layers = [reader.layer];
  const end = at + 40 + length!;
  let next = at + 40;
  let isLaterFragment = false;
  for (let i = 0; i < MOST_EXTENSIONS && isExtension(protocol); i++) {
    const extension = decodeExtension(bytes, next, end, protocol!);
    layers.push(extension.layer);
    if (extension.protocol === undefined) return layers;
    ({ protocol, next } = extension);
    isLaterFragment ||= extension.isLaterFragment;
  }
  return [...layers, ...decodeTransport({ bytes, at: next, end, protocol, isLaterFragment })];
}

function isExtension(protocol: number | undefined): boolean {
  return protocol === 0 || protocol === 43 || protocol === 60 || protocol === Protocol.FRAGMENT;
}

function decodeExtension(
  bytes: Uint8Array,
  at: number,
  end: number,
  kind: number,
): { layer: DecodedLayer; protocol: number | undefined; next: number; isLaterFragment: boolean } {
  const reader = new LayerReader(`IPv6: ${PROTOCOLS[kind]!}`, bytes, at, end);
  const protocol = reader.number("next header", 1, named(PROTOCOLS));
  if (kind === Protocol.FRAGMENT) {
    reader.skip(1);
    const offset = reader.number("fragment offset", 2, (value) => ({
      value: String(value & 0xfff8),
      meaning: value & 1 ? "more fragments follow" : "the last fragment",
    }));
    const whole = reader.number("identification", 4) !== undefined;
    const isLaterFragment = ((offset ?? 0) & 0xfff8) !== 0;
    return { layer: reader.layer, protocol: whole ? protocol : undefined, next: at + 8, isLaterFragment };
  }
  const units = reader.number("length", 1, (value) => ({
    value: String(value),
    meaning: `${8 + 8 * value} bytes`,
  }));
  const length = 8 + 8 * (units ?? 0);
  const options = reader.raw("options", length - 2, sizeShown);
  return { layer: reader.layer, protocol: options && protocol, next: at + length, isLaterFragment: false };
}

function decodeTransport({ bytes, at, end, protocol, isLaterFragment }: Payload): DecodedLayer[] {
  if (at >= Math.min(end, bytes.length)) return [];
  if (!isLaterFragment) {
    if (protocol === Protocol.ICMP) return [decodeIcmp(bytes, at, end)];
    if (protocol === Protocol.ICMPV6) return [decodeIcmp6(bytes, at, end)];
    if (protocol === Protocol.TCP) return decodeTcp(bytes, at, end);
    if (protocol === Protocol.UDP) return decodeUdp(bytes, at, end);
  }
  const reader = new LayerReader(isLaterFragment ? "A later fragment" : "Payload", bytes, at, end);
  reader.rest("data", sizeShown);
  return [reader.layer];
}

function headerSum(bytes: Uint8Array, at: number, words: number): Shown & string {
  const end = at + 4 * words;
  if (words < 5 || end > bytes.length) return "not all of the header is there";
  return checksum(bytes, at, end) === 0 ? "right" : "wrong";
}
