import type { ChunkCache } from "./chunk-cache.ts";
import type { ChunkStore } from "./chunk-store.ts";
import type { DiskError } from "./errors.ts";

export interface LoaderOptions {
  /** Chunks that one load fetches at most for those who wait (a single waiter that wants more gets it). */
  batch: number;
  /** Chunks fetched ahead of a sequential reader at most. */
  readAhead: number;
  /** Chunks that the cache may hold after a load, counting all that is in memory. */
  limit: () => number;
}

/** Somebody who needs every `step`-th chunk from `first` to `last`. */
interface Waiter {
  first: number;
  last: number;
  step: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Brings chunks into the cache, one load at a time: what is asked for meanwhile shares the next load, so that requests in
 * parallel cost one transaction, as a group commit does for writes.
 *
 * A waiter that was woken finds its chunks: they are only evicted when a later load or save ends, which is another task.
 */
export class ChunkLoader {
  readonly #store: ChunkStore;
  readonly #cache: ChunkCache;
  /** The chunks that the store has. */
  readonly #stored: ReadonlySet<number>;
  readonly #options: LoaderOptions;
  #waiters: Waiter[] = [];
  #running = false;
  #closed: DiskError | undefined;
  /** Number of the load that was begun last. */
  #load = 0;
  /** Where a sequential reader would miss next, and how far to read ahead of it. */
  #expected = -1;
  #window = 0;

  constructor(store: ChunkStore, cache: ChunkCache, stored: ReadonlySet<number>, options: LoaderOptions) {
    this.#store = store;
    this.#cache = cache;
    this.#stored = stored;
    this.#options = options;
  }

  /** The load whose chunks must stay in the cache. */
  get load(): number {
    return this.#load;
  }

  /** Resolves when every `step`-th chunk from `first` to `last` is in memory or known to be in no store. */
  want(first: number, last: number, step: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ first, last, step, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  /** Rejects all that wait, and will, with `reason`. */
  close(reason: DiskError): void {
    this.#closed = reason;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiters.length > 0) {
      const { served, missing } = this.#nextBatch();
      try {
        const loaded = missing.length > 0 && !this.#closed ? await this.#store.load(missing) : [];
        if (this.#closed) throw this.#closed;
        this.#insert(missing, loaded);
        for (const waiter of served) waiter.resolve();
      } catch (error) {
        for (const waiter of served) waiter.reject(error);
      }
    }
    this.#running = false;
  }

  /** Takes waiters in the order of their coming, so that none starves, and what they miss. */
  #nextBatch(): { served: Waiter[]; missing: number[] } {
    this.#load++;
    const missing = new Set<number>();
    let count = 0;
    for (const waiter of this.#waiters) {
      if (count > 0 && missing.size + (waiter.last - waiter.first) / waiter.step >= this.#options.batch)
        break;
      this.#collect(waiter, missing);
      count++;
    }
    return { served: this.#waiters.splice(0, count), missing: [...missing] };
  }

  #collect({ first, last, step }: Waiter, missing: Set<number>): void {
    for (let number = first; number <= last; number += step) this.#miss(number, missing);
    if (step > 1) return; // the two ends of a long write: what comes next will be overwritten, not read
    const { readAhead } = this.#options;
    const sequential = first <= this.#expected && this.#expected <= last;
    this.#window = sequential ? Math.min(Math.max(this.#window * 2, 4), readAhead) : 0;
    const end = last + this.#window;
    for (let number = last + 1; number <= end; number++) this.#miss(number, missing);
    this.#expected = end + 1;
  }

  #miss(number: number, missing: Set<number>): void {
    const chunk = this.#cache.get(number);
    if (chunk) chunk.load = this.#load;
    else if (this.#stored.has(number)) missing.add(number);
  }

  #insert(numbers: readonly number[], loaded: readonly Uint8Array[]): void {
    if (numbers.length === 0) return;
    for (const [index, number] of numbers.entries()) {
      // A whole chunk may have been written meanwhile, or given back: then what was loaded is old.
      if (!this.#cache.has(number) && this.#stored.has(number))
        this.#cache.add(number, loaded[index]!).load = this.#load;
    }
    this.#cache.evict(this.#options.limit(), this.#load);
  }
}
