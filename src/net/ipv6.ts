import { get16, get32, set16, set32 } from "./bytes.ts";
import { type Fault, type Fragment, type Ip, Protocol } from "./ip-types.ts";

/** Extension headers that are stepped over: hop-by-hop options, routing, destination options. */
const SKIPPED = new Set([0, 43, 60]);
/** More of them than this nobody sends in earnest. */
const MOST_EXTENSIONS = 8;

/** The header at `at` and its extensions (RFC 8200), or what is wrong with it. */
export function parseIpv6(bytes: Uint8Array, at: number): Ip | Fault {
  if (bytes.length < at + 40 || bytes[at]! >> 4 !== 6) return "malformed";
  const end = at + 40 + get16(bytes, at + 4);
  if (end > bytes.length) return "malformed";
  let protocol = bytes[at + 6]!;
  let payload = at + 40;
  let fragment: Fragment | undefined;
  for (let i = 0; SKIPPED.has(protocol) || (protocol === Protocol.FRAGMENT && !fragment); i++) {
    if (i === MOST_EXTENSIONS || payload + 8 > end) return "malformed";
    const length = protocol === Protocol.FRAGMENT ? 8 : 8 + bytes[payload + 1]! * 8;
    if (payload + length > end) return "malformed";
    if (protocol === Protocol.FRAGMENT) {
      const where = get16(bytes, payload + 2);
      fragment = {
        identification: get32(bytes, payload + 4),
        offset: where & 0xfff8,
        more: (where & 1) !== 0,
      };
    }
    protocol = bytes[payload]!;
    payload += length;
    // What is behind the header of a later fragment is data.
    if (fragment && fragment.offset > 0) break;
  }
  // A datagram in one "fragment" is none (RFC 6946).
  if (fragment && fragment.offset === 0 && !fragment.more) fragment = undefined;
  return {
    version: 6,
    source: bytes.subarray(at + 8, at + 24),
    destination: bytes.subarray(at + 24, at + 40),
    protocol,
    hopLimit: bytes[at + 7]!,
    header: at,
    payload,
    end,
    fragment,
  };
}

/** A header of 40 bytes, 8 more for a fragment, before `length` bytes of payload. */
export function writeIpv6(
  bytes: Uint8Array,
  at: number,
  { source, destination }: { source: Uint8Array; destination: Uint8Array },
  protocol: number,
  length: number,
  hopLimit: number,
  fragment: Fragment | undefined,
): void {
  bytes[at] = 0x60;
  set16(bytes, at + 4, length + (fragment ? 8 : 0));
  bytes[at + 6] = fragment ? Protocol.FRAGMENT : protocol;
  bytes[at + 7] = hopLimit;
  bytes.set(source, at + 8);
  bytes.set(destination, at + 24);
  if (!fragment) return;
  bytes[at + 40] = protocol;
  set16(bytes, at + 42, fragment.offset | (fragment.more ? 1 : 0));
  set32(bytes, at + 44, fragment.identification);
}
