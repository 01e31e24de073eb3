import { get16, set16 } from "./bytes.ts";
import { checksum } from "./checksum.ts";
import type { Fault, Fragment, Ip } from "./ip-types.ts";

const MORE = 0x2000;
const DONT = 0x4000;

/** The header at `at` (RFC 791), options skipped, or what is wrong with it. */
export function parseIpv4(bytes: Uint8Array, at: number): Ip | Fault {
  if (bytes.length < at + 20 || bytes[at]! >> 4 !== 4) return "malformed";
  const payload = at + (bytes[at]! & 15) * 4;
  const end = at + get16(bytes, at + 2);
  if (payload < at + 20 || payload > end || end > bytes.length) return "malformed";
  if (checksum(bytes, at, payload) !== 0) return "checksum";
  const flags = get16(bytes, at + 6);
  const offset = (flags & 0x1fff) * 8;
  const more = (flags & MORE) !== 0;
  return {
    version: 4,
    source: bytes.subarray(at + 12, at + 16),
    destination: bytes.subarray(at + 16, at + 20),
    protocol: bytes[at + 9]!,
    hopLimit: bytes[at + 8]!,
    header: at,
    payload,
    end,
    fragment: more || offset ? { identification: get16(bytes, at + 4), offset, more } : undefined,
  };
}

/** A header of 20 bytes before `length` bytes of payload. */
export function writeIpv4(
  bytes: Uint8Array,
  at: number,
  { source, destination }: { source: Uint8Array; destination: Uint8Array },
  protocol: number,
  length: number,
  hopLimit: number,
  fragment: Fragment | undefined,
): void {
  bytes[at] = 0x45;
  set16(bytes, at + 2, 20 + length);
  if (fragment) set16(bytes, at + 4, fragment.identification);
  set16(bytes, at + 6, fragment ? (fragment.offset >> 3) | (fragment.more ? MORE : 0) : DONT);
  bytes[at + 8] = hopLimit;
  bytes[at + 9] = protocol;
  bytes.set(source, at + 12);
  bytes.set(destination, at + 16);
  set16(bytes, at + 10, checksum(bytes, at, at + 20));
}
