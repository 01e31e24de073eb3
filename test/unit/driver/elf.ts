export interface Segment {
  type?: number;
  address: number;
  bytes: Uint8Array;
  /** Bytes in memory; as many as in the file unless given. */
  inMemory?: number;
}

/** A 32-bit x86 ELF file with these segments, one after the other behind the headers. */
export function elf(entry: number, segments: readonly Segment[]): Uint8Array {
  const headers = 52 + 32 * segments.length;
  const file = new Uint8Array(headers + segments.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 3, true); // EM_386
  view.setUint32(20, 1, true);
  view.setUint32(24, entry, true);
  view.setUint32(28, 52, true);
  view.setUint16(40, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, segments.length, true);
  let offset = headers;
  segments.forEach(({ type = 1, address, bytes, inMemory = bytes.length }, i) => {
    const at = 52 + 32 * i;
    [type, offset, address + 0xc0000000, address, bytes.length, inMemory, 7, 4096].forEach((value, field) =>
      view.setUint32(at + 4 * field, value >>> 0, true),
    );
    file.set(bytes, offset);
    offset += bytes.length;
  });
  return file;
}
