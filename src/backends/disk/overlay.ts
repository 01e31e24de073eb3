import type { NamedValue } from "../../virtio/view/types.ts";
import type { DiskBase } from "./base.ts";
import type { ChunkSet, ChunkStore, HoleStore } from "./chunk-store.ts";
import { DiskError, asError } from "./errors.ts";

/**
 * A disk over a base: its own store has the chunks that were written and, as holes, those that were given back; everything else
 * comes from the base. A ChunkedDisk in front of it takes `contents` as what is stored, so that a write to a part of a chunk
 * loads the base's bytes first and then saves the whole: copy on write.
 */
export class OverlayStore implements ChunkStore {
  readonly contents: OverlayContents;
  readonly #own: HoleStore;
  readonly #base: DiskBase;
  readonly #chunkSize: number;

  /** Takes over the own store and the base, and closes both. */
  constructor(own: HoleStore, base: DiskBase, contents: OverlayContents) {
    this.#own = own;
    this.#base = base;
    this.contents = contents;
    this.#chunkSize = contents.chunkSize;
  }

  isRemote(number: number): boolean {
    return !this.contents.isOwn(number);
  }

  /** Either chunks of the own store, or chunks of the base, which are one after the other. */
  load(numbers: readonly number[]): Promise<(Uint8Array | DiskError)[]> {
    return this.isRemote(numbers[0]!) ? this.#loadBase(numbers) : this.#own.load(numbers);
  }

  save(chunks: [number: number, data: Uint8Array][], removed: readonly number[]): Promise<void> {
    const saved = new Set(chunks.map(([number]) => number));
    const gone: number[] = [];
    const holes: number[] = [];
    for (const number of removed) {
      if (saved.has(number)) continue;
      (this.contents.inBase(number) ? holes : gone).push(number);
    }
    return this.#own.save(chunks, gone, holes);
  }

  state(): NamedValue[] {
    return [
      ...(this.#own.state?.() ?? []),
      { name: "base", value: this.#base.label },
      { name: "chunks over the base", value: `${this.contents.ownCount}` },
      ...(this.#base.state?.() ?? []),
    ];
  }

  setCapacity(bytes: number): Promise<void> {
    return this.#own.setCapacity(bytes);
  }

  async close(): Promise<void> {
    await this.#own.close();
    await this.#base.dispose();
  }

  async #loadBase(numbers: readonly number[]): Promise<Uint8Array[]> {
    const size = this.#chunkSize;
    const length = numbers.length * size;
    const bytes = await this.#read(numbers[0]! * size, length);
    if (bytes.length !== length) {
      throw new DiskError(
        "io",
        `${this.#base.label} answered with ${bytes.length} bytes instead of ${length}.`,
      );
    }
    if (numbers.length === 1) return [bytes];
    // Copies, for a chunk that stays in the cache would keep all of its neighbours' bytes in memory.
    return numbers.map((_, index) => bytes.slice(index * size, (index + 1) * size));
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    try {
      return await this.#base.read(offset, length);
    } catch (cause) {
      throw cause instanceof DiskError ? cause : new DiskError("io", asError(cause).message, { cause });
    }
  }
}

/** Which chunks a disk over a base has, and where. */
export class OverlayContents implements ChunkSet {
  /** Bytes in a chunk. */
  readonly chunkSize: number;
  readonly #base: DiskBase;
  readonly #own: Set<number>;
  readonly #holes: Set<number>;

  /** Takes over the sets: the chunks of the own store, and the holes in it. */
  constructor(
    base: DiskBase,
    chunkSize: number,
    { chunks, holes }: { chunks: Set<number>; holes: Set<number> },
  ) {
    this.#base = base;
    this.chunkSize = chunkSize;
    this.#own = chunks;
    this.#holes = holes;
  }

  has(number: number): boolean {
    return this.#own.has(number) || (!this.#holes.has(number) && this.inBase(number));
  }

  /** The chunk is in the own store now. */
  add(number: number): void {
    this.#own.add(number);
    this.#holes.delete(number);
  }

  /** The chunk reads as zeros from now on. Returns whether there was anything. */
  delete(number: number): boolean {
    const had = this.has(number);
    this.#own.delete(number);
    if (this.inBase(number)) this.#holes.add(number);
    return had;
  }

  get ownCount(): number {
    return this.#own.size;
  }

  isOwn(number: number): boolean {
    return this.#own.has(number);
  }

  /** Whether the base has more than zeros there, whatever covers it. */
  inBase(number: number): boolean {
    return this.#base.holds(number * this.chunkSize, this.chunkSize);
  }
}
