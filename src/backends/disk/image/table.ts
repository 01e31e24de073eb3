import { DIGEST_SIZE } from "./format.ts";

const WORDS = DIGEST_SIZE / 4;

/** The digests of an image's chunks. */
export class ChunkTable {
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  /** Keeps a copy of `bytes`, whose length must have been checked. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice(); // begins at the start of its buffer, so that it can be read in words
    this.#words = new Uint32Array(this.#bytes.buffer);
  }

  get chunks(): number {
    return this.#bytes.length / DIGEST_SIZE;
  }

  /** Whether chunk `number` has only zeros and is stored nowhere. */
  isZero(number: number): boolean {
    const end = (number + 1) * WORDS;
    for (let index = number * WORDS; index < end; index++) if (this.#words[index] !== 0) return false;
    return true;
  }

  /** The chunk's digest, in hexadecimal digits. */
  digest(number: number): string {
    return toHex(this.#bytes.subarray(number * DIGEST_SIZE, (number + 1) * DIGEST_SIZE));
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Bytes as hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte]!;
  return text;
}
