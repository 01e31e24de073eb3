/**
 * Whether the image's server answers those who wait for it. `stalled` begins when somebody has waited for some seconds in
 * vain; `ok` follows when it answers again.
 */
export interface ImageStatus {
  state: "ok" | "stalled";
  /** When that began: milliseconds as Date.now() has them. */
  since: number;
  /** What the last attempt met, as the rest of a sentence: `the server answered 503`. Empty when ok. */
  reason: string;
}

/** Counts since the image was opened. */
export interface ImageCounters {
  /** Requests that were sent, of the index and the table too. */
  requests: number;
  /** Bytes of their answers' bodies, as far as they came. */
  bytesFetched: number;
  /** Requests that failed and were, or will be, sent again. */
  retries: number;
  /** Files that came from the local cache. */
  cacheHits: number;
  /** Chunks that were fetched before anybody asked for them, and those of them that somebody asked for later. */
  readAhead: number;
  readAheadUsed: number;
}

export function newCounters(): ImageCounters {
  return { requests: 0, bytesFetched: 0, retries: 0, cacheHits: 0, readAhead: 0, readAheadUsed: 0 };
}

export interface ImageOptions {
  /** As messages call it, at the beginning of a sentence: `The image "debian"`. */
  label?: string | undefined;
  /** Told when the image stalls and goes on again. Also its present state is at ImageDisk.status. */
  onStatus?: ((status: ImageStatus) => void) | undefined;
  /** What a person should know: a stall once, and its end. */
  onMessage?: ((level: "error" | "warning" | "info", text: string) => void) | undefined;
  /** Ends the opening, with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface HttpImageOptions extends ImageOptions {
  /**
   * Milliseconds that a read waits for a server that does not serve what it needs, before it fails; 600000 unless given.
   * Time for which the computer or the tab sleeps does not count.
   */
  timeoutMs?: number | undefined;
  /** False: nothing is kept in IndexedDB. Where there is none (in Node) nothing is. */
  cache?: boolean | undefined;
  /** Only for tests: the waiting in milliseconds. */
  timing?: Partial<ImageTiming> | undefined;
}

/** How long things are waited for. Milliseconds. */
export interface ImageTiming {
  /** A request is given up when no byte came for that long. */
  silence: number;
  /** Before the first repetition; doubles with each. */
  backOff: number;
  /** The longest between two attempts. */
  longestBackOff: number;
  /** Waiting in vain for longer is a stall. */
  stall: number;
  /** How often the clock looks. */
  tick: number;
}

export const STANDARD_TIMING: ImageTiming = {
  silence: 15_000,
  backOff: 400,
  longestBackOff: 10_000,
  stall: 3_000,
  tick: 500,
};

export const STANDARD_TIMEOUT = 600_000;
