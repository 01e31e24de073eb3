/** Decoded files of an image in memory, the least recently used of which goes first. */
export class PartMemory {
  readonly #most: number;
  readonly #parts = new Map<string, Uint8Array>();
  /** Those that came before anybody asked for them. */
  readonly #unasked = new Set<string>();
  #bytes = 0;

  /** @param most bytes */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether it is there; does not count as use. */
  has(digest: string): boolean {
    return this.#parts.has(digest);
  }

  get(digest: string): Uint8Array | undefined {
    const part = this.#parts.get(digest);
    if (!part) return undefined;
    this.#parts.delete(digest);
    this.#parts.set(digest, part);
    return part;
  }

  /** Keeps `part` itself, unless it is more than all may be. */
  add(digest: string, part: Uint8Array, unasked: boolean): void {
    if (part.length > this.#most || this.#parts.has(digest)) return;
    this.#parts.set(digest, part);
    this.#bytes += part.length;
    if (unasked) this.#unasked.add(digest);
    for (const [oldest, { length }] of this.#parts) {
      if (this.#bytes <= this.#most) return;
      this.#parts.delete(oldest);
      this.#unasked.delete(oldest);
      this.#bytes -= length;
    }
  }

  /** Whether this is the first time that somebody asks for what was there before. */
  firstUse(digest: string): boolean {
    return this.#unasked.delete(digest);
  }

  clear(): void {
    this.#parts.clear();
    this.#unasked.clear();
    this.#bytes = 0;
  }
}
