/** Bytes of a disk on their way into or out of it. Offsets and sizes in bytes. */

/** Some bytes at their place. Pieces come in the order of their places and never overlap; what no piece covers is zeros. */
export interface Piece {
  offset: number;
  data: Uint8Array;
}

/** A disk that arrives from outside. */
export interface DiskSource {
  /** Of the disk; undefined when only its end tells. */
  readonly size: number | undefined;
  /** May be taken once. Throws a DiskError when the bytes are not what they say they are. */
  pieces(): AsyncIterable<Piece>;
}

/** A file that can be read anywhere. A Blob is made one by {@link blobBytes}. */
export interface RandomBytes {
  readonly size: number;
  /** All of the range, which lies within the size. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

export function blobBytes(blob: Blob): RandomBytes {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** Whether all bytes are zero. */
export function isZero(data: Uint8Array): boolean {
  let at = 0;
  if (data.byteOffset % 4 === 0) {
    // Words: four times as fast.
    const words = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2);
    for (; at < words.length; at++) if (words[at] !== 0) return false;
    at *= 4;
  }
  for (; at < data.length; at++) if (data[at] !== 0) return false;
  return true;
}
