/**
 * Unpacks a raw deflate stream that makes at least `length` bytes, and returns that many; undefined when it is damaged or makes
 * fewer. What follows the stream in `stored` does not matter.
 *
 * A DecompressionStream fails at bytes after the end, and drops what it still has queued; but what was asked for before, it has
 * handed out by then (Compression Standard, "decompress and enqueue a chunk"). So all reads are asked for in advance.
 */
export async function inflateRaw(
  stored: Uint8Array<ArrayBuffer>,
  length: number,
): Promise<Uint8Array | undefined> {
  const stream = new DecompressionStream("deflate-raw");
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  const result = new Uint8Array(length);
  let filled = 0;

  const reads = Array.from({ length: Math.ceil(length / SMALLEST_PIECE) + 2 }, () => reader.read());
  for (const promise of [...reads, writer.closed, reader.closed]) promise.catch(ignore);
  writer.write(stored).catch(ignore);
  writer.close().catch(ignore);
  try {
    for (const read of reads) {
      const { value } = await read;
      if (!value) break;
      const part = value.subarray(0, length - filled);
      result.set(part, filled);
      filled += part.length;
      if (filled === length) break;
    }
  } catch {
    // Damaged, or what comes after the end; which of the two, the number of bytes tells.
  }
  reader.cancel().catch(ignore);
  return filled === length ? result : undefined;
}

/** Browsers hand out 16 KiB and more at a time, the last piece aside. */
const SMALLEST_PIECE = 4096;

function ignore(): void {
  // What failed shows in the bytes that did not come.
}
