import { get16, get32 } from "../../src/net/bytes.ts";

/** A MAC address as a number of 48 bits: the key of tables, made without a copy. */
export function macAt(bytes: Uint8Array, at: number): number {
  return get16(bytes, at) * 0x1_0000_0000 + get32(bytes, at + 2);
}

/** As in `02:00:5e:10:00:01`. */
export function macText(mac: number): string {
  return mac
    .toString(16)
    .padStart(12, "0")
    .replace(/..(?=.)/g, "$&:");
}

/** The address of one host that the text is; undefined for all else. */
export function parseMac(text: string): number | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  const mac = parseInt(text.replaceAll(":", ""), 16);
  return isHost(mac) ? mac : undefined;
}

/** Neither a group nor nobody. */
export function isHost(mac: number): boolean {
  return mac !== 0 && (Math.floor(mac / 0x100_0000_0000) & 1) === 0;
}
