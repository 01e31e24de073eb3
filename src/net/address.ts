/** IP addresses as bytes (4 or 16) and as text. */

/** `10.77.0.1`, or an IPv6 address as RFC 5952 has it. */
export function addressText(address: Uint8Array): string {
  return address.length === 4 ? address.join(".") : ipv6Text(address);
}

/** Of 4 or 16 bytes; undefined when the text is no address. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** The address in 32 bits as 4 bytes. */
export function ipv4Bytes(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":").flatMap(group)));
  const length = (head?.length ?? 0) + (tail?.length ?? 0);
  if (!head || (tail ? length > 14 : length !== 16)) return undefined;
  const bytes = [...head, ...new Array<number>(16 - length).fill(0), ...(tail ?? [])];
  return bytes.some(Number.isNaN) ? undefined : Uint8Array.from(bytes);
}

/** The bytes of what stands between two colons: 16 bits, or an IPv4 address (only ever at the end, but who would write it else). */
function group(text: string): number[] {
  if (text.includes(".")) return [...(parseIpv4(text) ?? [NaN])];
  if (!/^[0-9a-f]{1,4}$/i.test(text)) return [NaN];
  const value = parseInt(text, 16);
  return [value >> 8, value & 0xff];
}

function ipv6Text(address: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!);
  let best = { from: 0, length: 1 };
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from > best.length) best = { from, length: to - from };
  }
  const hex = (part: number[]) => part.map((value) => value.toString(16)).join(":");
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.from))}::${hex(groups.slice(best.from + best.length))}`;
}
