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
  /** Resolves with whether it has to be fetched, as soon as the cache has answered. */
  readonly remote: Promise<boolean>;
  demanded: boolean;
  job: Job<Uint8Array> | undefined;
}

/** The verified content of an image's files: from memory, from the local cache, or from their source; each fetched once. */
export class Parts {
  readonly #options: PartsOptions;
  readonly #memory = new PartMemory(MEMORY);
  readonly #pending = new Map<string, Pending>();
  /** What was fetched since the image was opened. */
  readonly #fetched = new Set<string>();

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

  /** Whether this content came, or will come, from the source and not from the local cache. */
  isRemote(digest: string): boolean | Promise<boolean> {
    return this.#fetched.has(digest) || (this.#pending.get(digest)?.remote ?? false);
  }

  /**
   * Has the content fetched when there is nothing better to do, and forgets about it when that fails. From the source only if
   * `remote` says that the reader is there already: one who reads what the cache has is most likely to find the rest there, too.
   */
  ahead(digest: string, length: number, remote: boolean | Promise<boolean>): void {
    if (this.#memory.has(digest) || this.#pending.has(digest)) return;
    const { result } = this.#begin(digest, length, remote);
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

  #begin(digest: string, length: number, worthFetching: boolean | Promise<boolean> = true): Pending {
    let decide!: (remote: boolean) => void;
    const remote = new Promise<boolean>((resolve) => (decide = resolve));
    const load = async (): Promise<Uint8Array> => {
      try {
        const cached = await this.#fromCache(digest, length);
        decide(!cached);
        if (!cached && !(await worthFetching) && !pending.demanded) throw new Error("It is not fetched.");
        const content = cached ?? (await this.#fetch(digest, length, pending));
        this.#memory.add(digest, content, !pending.demanded);
        return content;
      } finally {
        decide(true); // nobody waits for ever for a cache that failed
        this.#pending.delete(digest);
      }
    };
    const pending: Pending = {
      result: Promise.resolve().then(load),
      remote,
      demanded: false,
      job: undefined,
    };
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
      this.#fetched.add(digest);
      return content;
    });
    if (pending.demanded) pending.job.demand();
    return pending.job.result;
  }
}
