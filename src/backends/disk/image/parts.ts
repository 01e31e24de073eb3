import type { ImageCache } from "./cache.ts";
import { decodePart } from "./decode.ts";
import type { FetchQueue, Job } from "./fetch-queue.ts";
import { largestStored, partName } from "./format.ts";
import type { ImageCounters } from "./options.ts";
import { PartMemory } from "./part-memory.ts";
import type { ImageSource } from "./source.ts";

/** Bytes of decoded files in memory: several read-aheads and what they are used from, and little beside the disk's own cache. */
const MEMORY = 12 * 1024 ** 2;

export interface PartsOptions {
  source: ImageSource;
  queue: FetchQueue;
  cache: ImageCache | undefined;
  counters: ImageCounters;
}

interface Pending {
  readonly result: Promise<Uint8Array>;
  demanded: boolean;
  job: Job<Uint8Array> | undefined;
}

/** The verified content of an image's files: from memory, from the local cache, or from their source; each fetched once. */
export class Parts {
  readonly #options: PartsOptions;
  readonly #memory = new PartMemory(MEMORY);
  readonly #pending = new Map<string, Pending>();

  constructor(options: PartsOptions) {
    this.#options = options;
  }

  /** What is in memory; the array is not the caller's to change. */
  inMemory(digest: string): Uint8Array | undefined {
    const part = this.#memory.get(digest);
    if (part && this.#memory.firstUse(digest)) this.#options.counters.readAheadUsed++;
    return part;
  }

  /** The content, `length` bytes; not the caller's to change. Rejects with a DiskError. */
  get(digest: string, length: number): Promise<Uint8Array> {
    const part = this.inMemory(digest);
    if (part) return Promise.resolve(part);
    const pending = this.#pending.get(digest) ?? this.#begin(digest, length);
    pending.demanded = true;
    pending.job?.demand();
    return pending.result;
  }

  /** Has the content fetched when there is nothing better to do, and forgets about it when that fails. */
  ahead(digest: string, length: number): void {
    if (this.#memory.has(digest) || this.#pending.has(digest)) return;
    const { result } = this.#begin(digest, length);
    const { counters } = this.#options;
    const pending = this.#pending.get(digest);
    result.then(
      () => {
        counters.readAhead++;
        if (pending?.demanded) counters.readAheadUsed++;
      },
      () => undefined,
    );
  }

  forget(): void {
    this.#memory.clear();
  }

  #begin(digest: string, length: number): Pending {
    const load = async (): Promise<Uint8Array> => {
      try {
        const content =
          (await this.#fromCache(digest, length)) ?? (await this.#fetch(digest, length, pending));
        this.#memory.add(digest, content, !pending.demanded);
        return content;
      } finally {
        this.#pending.delete(digest);
      }
    };
    const pending: Pending = { result: Promise.resolve().then(load), demanded: false, job: undefined };
    this.#pending.set(digest, pending);
    return pending;
  }

  async #fromCache(digest: string, length: number): Promise<Uint8Array | undefined> {
    const { cache, counters } = this.#options;
    const stored = await cache?.get(digest);
    if (!stored) return undefined;
    try {
      const content = await decodePart(stored, digest, length);
      counters.cacheHits++;
      return content;
    } catch {
      cache?.remove(digest, stored.length);
      return undefined;
    }
  }

  #fetch(digest: string, length: number, pending: Pending): Promise<Uint8Array> {
    const { queue, source, cache } = this.#options;
    pending.job = queue.add(async (attempt) => {
      const stored = await source.get(partName(digest), largestStored(length), attempt);
      const content = await decodePart(stored, digest, length);
      cache?.put(digest, stored);
      return content;
    });
    if (pending.demanded) pending.job.demand();
    return pending.job.result;
  }
}
