/**
 * Of what the browser says is left, and the cache itself, this much is for the cache: the rest is for people's disks. Chromium
 * says 10 GiB whatever is left, so that the cache may find no storage all the same, and then gives back what it has.
 */
const CACHE_SHARE = 0.25;
/** Bytes, where the browser does not say. */
const UNKNOWN = 128 * 1024 ** 2;
/** Bytes after which it is asked again: others store, too. */
const ASK_AGAIN = 16 * 1024 ** 2;

/** How much more the cache may store. */
export class CacheBudget {
  readonly #used: () => Promise<number>;
  /** Bytes until the browser is asked again. */
  #granted = 0;
  #exhausted = false;

  /** @param used bytes that the cache has by now */
  constructor(used: () => Promise<number>) {
    this.#used = used;
  }

  /** Whether `bytes` more may be stored; once they may not, never again. */
  async take(bytes: number): Promise<boolean> {
    if (this.#exhausted) return false;
    if (this.#granted < bytes) this.#granted = Math.min(await this.#left(), ASK_AGAIN + bytes);
    this.#granted -= bytes;
    this.#exhausted = this.#granted < 0;
    return !this.#exhausted;
  }

  async #left(): Promise<number> {
    const used = await this.#used();
    const { quota, usage } = await estimate();
    const known = quota !== undefined && usage !== undefined;
    const most = known ? CACHE_SHARE * (quota - usage + used) : UNKNOWN;
    return most - used;
  }
}

async function estimate(): Promise<StorageEstimate> {
  // The types know only browsers that have it.
  const storage = (globalThis.navigator as { storage?: StorageManager }).storage;
  return (await storage?.estimate().catch(() => undefined)) ?? {};
}
