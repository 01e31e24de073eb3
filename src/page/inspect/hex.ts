/** Guest-physical addresses and bytes as text. */

export function formatAddress(address: number | bigint): string {
  return `0x${address.toString(16).padStart(8, "0")}`;
}

/**
 * Bytes in rows: offset, hexadecimal digits, ASCII.
 * @param first offset of the first byte
 * @param perRow bytes in a row
 */
export function hexRows(bytes: Uint8Array, perRow: number, first = 0): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += perRow) {
    const row = bytes.subarray(at, at + perRow);
    const digits = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = Array.from(row, (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·",
    );
    rows.push(
      `${(first + at).toString(16).padStart(4, "0")}  ${digits.padEnd(3 * perRow - 1)}  ${letters.join("")}`,
    );
  }
  return rows.join("\n");
}
