/** Spare buffers are kept for this part of the cache's limit: an eighth, about what one save lets go of. */
const SPARE_SHIFT = 3;

/** A chunk in memory. */
export interface Chunk {
  readonly number: number;
  readonly data: Uint8Array;
  /** Written since its last save began. */
  dirty: boolean;
  /** Part of a save that has not ended. */
  saving: boolean;
  /** Touched since the eviction last looked. */
  used: boolean;
  /** How many wait for it together with others that are not here yet (ChunkLoader), which keeps it from eviction. */
  pins: number;
  /** No longer the disk's: the guest gave it back while it was being saved. */
  dropped: boolean;
}

/**
 * The chunks in memory. Clean ones are bounded by `evict`, oldest first with a second chance (CLOCK: a hit costs one store,
 * where a true LRU would relink a list); dirty ones and those being saved stay: they may exist nowhere
 * else.
 */
export class ChunkCache {
  readonly #chunkSize: number;
  /** Buffers of evicted chunks for new ones: the garbage collector would let tens of megabytes of them lie about. */
  #spare: Uint8Array[] = [];
  /** In the order in which the clock's hand passes them. */
  readonly #chunks = new Map<number, Chunk>();

  /** @param chunkSize bytes in a chunk */
  constructor(chunkSize: number) {
    this.#chunkSize = chunkSize;
  }

  get size(): number {
    return this.#chunks.size;
  }

  get(number: number): Chunk | undefined {
    const chunk = this.#chunks.get(number);
    if (chunk) chunk.used = true;
    return chunk;
  }

  /** Whether the chunk is in memory; does not count as use. */
  has(number: number): boolean {
    return this.#chunks.has(number);
  }

  /** Adds a chunk that is not there yet and keeps `data` itself. */
  add(number: number, data: Uint8Array): Chunk {
    const chunk = { number, data, dirty: false, saving: false, used: true, pins: 0, dropped: false };
    this.#chunks.set(number, chunk);
    return chunk;
  }

  /** Adds a chunk of zeros that is not there yet. */
  addBlank(number: number): Chunk {
    return this.add(number, this.#spare.pop()?.fill(0) ?? new Uint8Array(this.#chunkSize));
  }

  /** Drops clean chunks that nobody has pinned until at most `limit` chunks are left, if it can. */
  evict(limit: number): void {
    // What is put back at the end comes by once more, with `used` cleared: at most two rounds.
    for (const chunk of this.#chunks.values()) {
      if (this.#chunks.size <= limit) return;
      if (chunk.dirty || chunk.saving || chunk.pins > 0) continue;
      this.#chunks.delete(chunk.number);
      if (chunk.used) {
        chunk.used = false;
        this.#chunks.set(chunk.number, chunk);
      } else if (this.#spare.length < limit >> SPARE_SHIFT) {
        this.#spare.push(chunk.data);
      }
    }
  }

  /** Takes a chunk out, dirty or not, and returns it. */
  drop(number: number): Chunk | undefined {
    const chunk = this.#chunks.get(number);
    if (chunk) this.#chunks.delete(number);
    return chunk;
  }

  clear(): void {
    this.#chunks.clear();
    this.#spare = [];
  }
}
