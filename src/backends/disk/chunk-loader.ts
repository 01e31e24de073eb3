import type { Chunk, ChunkCache } from "./chunk-cache.ts";
import type { ChunkSet, ChunkStore } from "./chunk-store.ts";
import { DiskError, asError } from "./errors.ts";

/** Loads of remote chunks that are under way at most. */
const REMOTE_LOADS = 64;

export interface LoaderOptions {
  /** Chunks that loads have under way at most: one load from the near side, and all from the remote one together. */
  batch: number;
  /** Chunks fetched ahead of a sequential reader at most. */
  readAhead: number;
  /** Chunks that one load of remote ones fetches at most. */
  remoteRun: number;
  /** Chunks that the cache may hold, counting all that is in memory. */
  limit: number;
  /** Told of each load as it begins. */
  onLoad: (chunks: number, remote: boolean) => void;
}

/** Somebody who needs every `step`-th chunk from `first` to `last`. */
interface Waiter {
  /** Those of its chunks that are in memory, which stay there for it. */
  pinned: Chunk[];
  /** How many are not yet. */
  missing: number;
  error: DiskError | undefined;
  resolve: () => void;
  reject: (error: DiskError) => void;
}

/** A chunk that is to be loaded or under way. */
interface Fetch {
  readonly number: number;
  readonly waiters: Waiter[];
}

/**
 * Brings chunks into the cache. Those from near are loaded many at a time, one load after the other: what is asked for meanwhile
 * shares the next load, so that requests in parallel cost one transaction, as a group commit does for writes. Remote ones are
 * loaded side by side, so that one for which a server takes minutes holds up nobody but who asked for it.
 *
 * The chunks of a waiter are pinned as they come, and until the task in which it was woken has ended: it finds them all, however
 * small the cache and however many loads that took.
 */
export class ChunkLoader {
  readonly #store: ChunkStore;
  readonly #cache: ChunkCache;
  /** The chunks that the store has. */
  readonly #stored: Pick<ChunkSet, "has">;
  readonly #options: LoaderOptions;
  /** What is to be loaded or under way, by number. A load whose chunk is not here any more came too late. */
  readonly #fetches = new Map<number, Fetch>();
  #near: Fetch[] = [];
  /** Runs of neighbours. */
  #remote: Fetch[][] = [];
  #loadingNear = false;
  #remoteLoads = 0;
  #remoteChunks = 0;
  readonly #waiters = new Set<Waiter>();
  /** Pinned for waiters that were woken. */
  #woken: Chunk[] = [];
  #release: ReturnType<typeof setTimeout> | undefined;
  #closed: DiskError | undefined;
  /** Where a sequential reader would miss next, and how far to read ahead of it. */
  #expected = -1;
  #window = 0;

  constructor(store: ChunkStore, cache: ChunkCache, stored: Pick<ChunkSet, "has">, options: LoaderOptions) {
    this.#store = store;
    this.#cache = cache;
    this.#stored = stored;
    this.#options = options;
  }

  /**
   * Resolves when every `step`-th chunk from `first` to `last` is in memory or known to be in no store; whoever waits can rely on
   * that until the end of the task, but for what others write and give back. Rejects when one of them cannot be loaded.
   */
  want(first: number, last: number, step: number): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { pinned: [], missing: 0, error: undefined, resolve, reject };
      this.#waiters.add(waiter);
      const asked = this.#ask(first, last, step, waiter);
      if (step === 1) this.#readAhead(first, last, asked);
      this.#enqueue(asked);
      if (waiter.missing === 0) this.#wake(waiter);
      this.#start();
    });
  }

  /** The chunk was overwritten or given back: what a load brings is old, and nobody has to wait for it. */
  forget(number: number): void {
    const fetch = this.#fetches.get(number);
    if (!fetch) return;
    this.#fetches.delete(number);
    for (const waiter of fetch.waiters) this.#served(waiter);
  }

  /** Rejects all that wait, and will, with `reason`. */
  close(reason: DiskError): void {
    this.#closed = reason;
    clearTimeout(this.#release);
    this.#fetches.clear();
    this.#near = [];
    this.#remote = [];
    for (const waiter of this.#waiters) waiter.reject(reason);
    this.#waiters.clear();
  }

  /** Has `waiter` wait for what it misses; returns what has to be loaded for that, and nobody asked for yet. */
  #ask(first: number, last: number, step: number, waiter: Waiter): Fetch[] {
    const asked: Fetch[] = [];
    for (let number = first; number <= last; number += step) {
      const chunk = this.#cache.get(number);
      if (chunk) {
        pin(chunk, waiter);
      } else if (this.#stored.has(number)) {
        let fetch = this.#fetches.get(number);
        if (!fetch) asked.push((fetch = this.#fetch(number)));
        fetch.waiters.push(waiter);
        waiter.missing++;
      }
    }
    return asked;
  }

  /** Adds what a sequential reader will want next. A base reads ahead by itself, where that is worth it. */
  #readAhead(first: number, last: number, asked: Fetch[]): void {
    const sequential = first <= this.#expected && this.#expected <= last;
    this.#window = sequential ? Math.min(Math.max(this.#window * 2, 4), this.#options.readAhead) : 0;
    const end = last + this.#window;
    this.#expected = end + 1;
    for (let number = last + 1; number <= end; number++) {
      if (this.#cache.has(number) || this.#fetches.has(number) || !this.#stored.has(number)) continue;
      if (!this.#store.isRemote?.(number)) asked.push(this.#fetch(number));
    }
  }

  #fetch(number: number): Fetch {
    const fetch = { number, waiters: [] };
    this.#fetches.set(number, fetch);
    return fetch;
  }

  #enqueue(asked: readonly Fetch[]): void {
    let run: Fetch[] | undefined;
    for (const fetch of asked) {
      if (!this.#store.isRemote?.(fetch.number)) {
        this.#near.push(fetch);
        continue;
      }
      if (run?.at(-1)?.number !== fetch.number - 1 || run.length >= this.#options.remoteRun) {
        this.#remote.push((run = []));
      }
      run.push(fetch);
    }
  }

  /** Begins what may be begun, in the order in which it was asked for, so that nobody starves. */
  #start(): void {
    // What was loaded and not used yet must not become too much; its release starts the next.
    if (this.#woken.length > this.#options.batch) return;
    if (!this.#loadingNear && this.#near.length > 0) {
      const batch = this.#nextBatch();
      if (batch.length > 0) void this.#loadNear(batch);
    }
    while (
      this.#remote.length > 0 &&
      this.#remoteLoads < REMOTE_LOADS &&
      (this.#remoteChunks === 0 || this.#remoteChunks + this.#remote[0]!.length <= this.#options.batch)
    ) {
      for (const run of this.#stillRemote(this.#remote.shift()!)) void this.#loadRemote(run);
    }
  }

  #nextBatch(): Fetch[] {
    const { batch: limit, readAhead } = this.#options;
    const batch: Fetch[] = [];
    let taken = 0;
    for (const fetch of this.#near) {
      const ahead = fetch.waiters.length === 0 ? readAhead : 0;
      if (batch.length >= limit + ahead) break;
      taken++;
      if (this.#isAwaited(fetch)) batch.push(fetch);
    }
    this.#near.splice(0, taken);
    return batch;
  }

  #isAwaited(fetch: Fetch): boolean {
    return this.#fetches.get(fetch.number) === fetch;
  }

  /** What is left of a run when what was overwritten meanwhile is taken out. */
  #stillRemote(run: readonly Fetch[]): Fetch[][] {
    const runs: Fetch[][] = [];
    for (const fetch of run) {
      if (!this.#isAwaited(fetch)) continue;
      if (runs.at(-1)?.at(-1)?.number === fetch.number - 1) runs.at(-1)!.push(fetch);
      else runs.push([fetch]);
    }
    return runs;
  }

  async #loadNear(batch: readonly Fetch[]): Promise<void> {
    this.#loadingNear = true;
    await this.#load(batch, false);
    this.#loadingNear = false;
    this.#start();
  }

  async #loadRemote(run: readonly Fetch[]): Promise<void> {
    this.#remoteLoads++;
    this.#remoteChunks += run.length;
    await this.#load(run, true);
    this.#remoteLoads--;
    this.#remoteChunks -= run.length;
    this.#start();
  }

  /** Never rejects. */
  async #load(fetches: readonly Fetch[], remote: boolean): Promise<void> {
    let loaded: (Uint8Array | DiskError)[];
    try {
      this.#options.onLoad(fetches.length, remote);
      loaded = await this.#store.load(fetches.map(({ number }) => number));
    } catch (cause) {
      const error =
        cause instanceof DiskError ? cause : new DiskError("io", asError(cause).message, { cause });
      loaded = fetches.map(() => error);
    }
    if (this.#closed) return;
    for (const [index, fetch] of fetches.entries()) {
      if (this.#isAwaited(fetch)) this.#arrived(fetch, loaded[index]!);
    }
    this.#cache.evict(this.#options.limit);
  }

  #arrived(fetch: Fetch, loaded: Uint8Array | DiskError): void {
    this.#fetches.delete(fetch.number);
    const chunk = loaded instanceof DiskError ? undefined : this.#cache.add(fetch.number, loaded);
    for (const waiter of fetch.waiters) {
      if (chunk) pin(chunk, waiter);
      else waiter.error ??= loaded as DiskError;
      this.#served(waiter);
    }
  }

  /** One chunk less that `waiter` misses. */
  #served(waiter: Waiter): void {
    if (--waiter.missing === 0) this.#wake(waiter);
  }

  #wake(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (waiter.error) waiter.reject(waiter.error);
    else waiter.resolve();
    for (const chunk of waiter.pinned) this.#woken.push(chunk);
    // A task later: the waiter goes on in this one.
    this.#release ??= setTimeout(() => this.#unpin(), 0);
  }

  #unpin(): void {
    this.#release = undefined;
    for (const chunk of this.#woken) chunk.pins--;
    this.#woken = [];
    this.#cache.evict(this.#options.limit);
    this.#start();
  }
}

function pin(chunk: Chunk, waiter: Waiter): void {
  chunk.pins++;
  waiter.pinned.push(chunk);
}
