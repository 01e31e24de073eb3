/** The Internet checksum (RFC 1071): sums of 16-bit words in network order, with the carries folded in. */

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Shorter than this a view of larger words costs more than it brings. */
const WORTH_A_VIEW = 128;

/** `initial` and the words from `from` to `to` (an odd last byte counts as the upper half of a word): 0 to 0xffff. */
export function sum(bytes: Uint8Array, from: number, to: number, initial = 0): number {
  let total = initial;
  let at = from;
  if (to - at >= WORTH_A_VIEW && ((bytes.byteOffset + at) & 1) === 0) {
    if ((bytes.byteOffset + at) & 2) {
      total += (bytes[at]! << 8) | bytes[at + 1]!;
      at += 2;
    }
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (to - at) >> 2);
    // A sum of less than 2^21 words stays an exact number. Swapping the halves' bytes commutes with adding (RFC 1071, 2 B).
    let native = 0;
    for (let i = 0; i < words.length; i++) native += words[i]!;
    const folded = fold(native);
    total += LITTLE_ENDIAN ? swap(folded) : folded;
    at += words.length * 4;
  }
  for (; at + 1 < to; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  if (at < to) total += bytes[at]! << 8;
  return fold(total);
}

/** The checksum that goes into a header whose checksum field is 0 (or is there to be verified: then 0 comes out). */
export function checksum(bytes: Uint8Array, from: number, to: number, initial = 0): number {
  return ~sum(bytes, from, to, initial) & 0xffff;
}

/** What the checksums of UDP, TCP and ICMPv6 cover besides (RFC 768, RFC 8200 8.1); addresses of 4 or 16 bytes. */
export function pseudoSum(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  length: number,
): number {
  const addresses = sum(destination, 0, destination.length, sum(source, 0, source.length));
  return fold(addresses + protocol + (length >>> 16) + (length & 0xffff));
}

function fold(total: number): number {
  let rest = total;
  while (rest > 0xffff) rest = (rest % 0x10000) + Math.floor(rest / 0x10000);
  return rest;
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}
