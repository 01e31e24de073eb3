import type { ImageCache } from "./cache.ts";
import { DiskError } from "../errors.ts";
import { FetchQueue } from "./fetch-queue.ts";
import { INDEX_NAME, LARGEST_INDEX, parseIndex, tableLength } from "./format.ts";
import { ImageDisk } from "./image-disk.ts";
import { type ImageCounters, type ImageOptions, type ImageTiming } from "./options.ts";
import { Parts } from "./parts.ts";
import { type Attempt, type ImageSource, SourceFailure } from "./source.ts";
import { StallWatch } from "./stall-watch.ts";
import { ChunkTable } from "./table.ts";

export interface OpenOptions extends ImageOptions {
  label: string;
  source: ImageSource;
  counters: ImageCounters;
  timing: ImageTiming;
  timeout: number;
  /** The index when it is known already. */
  index?: Uint8Array<ArrayBuffer> | undefined;
  cache?: ImageCache | undefined;
  /** Calls what it is given when the network may be there again; returns what ends that. */
  onNetwork?: ((retry: () => void) => () => void) | undefined;
}

/** Opens the image in `source`. Rejects with a DiskError, or the signal's reason. */
export async function openImage(options: OpenOptions): Promise<ImageDisk> {
  const { label, source, counters, timing, timeout, cache, signal } = options;
  signal?.throwIfAborted();
  const stall = new StallWatch({ label, where: source.where, timeout }, options);
  const queue = new FetchQueue({
    unreliable: source.unreliable,
    timeout,
    timing,
    stall,
    explain: ({ message, cause }) =>
      new DiskError("io", `${label} could not be read from ${source.where}: ${message}.`, { cause }),
    onRetry: () => counters.retries++,
  });
  const parts = new Parts({ source, queue, cache, counters });
  const stopListening = options.onNetwork?.(() => queue.retryNow());
  const close = async (reason: DiskError): Promise<void> => {
    stopListening?.();
    queue.close(reason);
    parts.forget();
    await cache?.close();
  };
  const stop = (): void => queue.close(new DiskError("gone", `${label} is not opened any more.`));
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const index = parseIndex(options.index ?? (await fetchIndex(queue, source, label)), label);
    const table = new ChunkTable(await parts.get(index.table, tableLength(index)));
    signal?.throwIfAborted();
    const readAhead = source.unreliable;
    return new ImageDisk({
      label,
      index,
      table,
      parts,
      counters,
      status: () => stall.status,
      readAhead,
      close,
    });
  } catch (error) {
    await close(new DiskError("gone", `${label} is closed.`));
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function fetchIndex(queue: FetchQueue, source: ImageSource, label: string) {
  const job = queue.add((attempt) => attemptIndex(source, label, attempt));
  job.demand();
  return job.result;
}

/** The bytes of a right index. An address where there is none is most likely a mistake: nobody waits for that to change. */
export async function attemptIndex(
  source: ImageSource,
  label: string,
  attempt: Attempt,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const bytes = await source.get(INDEX_NAME, LARGEST_INDEX, attempt);
    try {
      parseIndex(bytes, label);
    } catch (error) {
      // A cache on the way may have kept something else.
      if (attempt.wrongBefore || !source.unreliable) throw error;
      throw new SourceFailure("wrong", "its index is wrong", { cause: error });
    }
    return bytes;
  } catch (error) {
    if (!(error instanceof SourceFailure) || error.kind !== "missing") throw error;
    throw new DiskError("invalid", `${label} was not found in ${source.where}: ${error.message}.`, {
      cause: error,
    });
  }
}
