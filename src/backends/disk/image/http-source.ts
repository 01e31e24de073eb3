import { asError } from "../errors.ts";
import { INDEX_NAME } from "./format.ts";
import type { ImageCounters } from "./options.ts";
import { type Attempt, type ImageSource, SourceFailure } from "./source.ts";

/** The files of an image below the address of its index. */
export class HttpSource implements ImageSource {
  readonly where: string;
  readonly unreliable = true;
  readonly #index: URL;
  readonly #counters: ImageCounters;
  /** Milliseconds. */
  readonly #silence: number;

  constructor(index: URL, counters: ImageCounters, silence: number) {
    this.#index = index;
    this.where = index.host;
    this.#counters = counters;
    this.#silence = silence;
  }

  async get(
    name: string,
    most: number,
    { signal, fresh, onBytes }: Attempt,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const silent = new SilenceTimer(this.#silence);
    const ended = AbortSignal.any([signal, silent.signal]);
    this.#counters.requests++;
    try {
      const response = await fetch(this.#url(name), { signal: ended, cache: cacheMode(name, fresh) });
      silent.restart();
      if (!response.ok || !response.body) {
        await response.body?.cancel();
        throw refusal(response);
      }
      return await collect(response.body, most, (count) => {
        silent.restart();
        this.#counters.bytesFetched += count;
        onBytes(count);
      });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SourceFailure) throw error;
      const reason = silent.signal.aborted
        ? `nothing came from the server for ${Math.round(this.#silence / 100) / 10} seconds`
        : "the server cannot be reached, or the connection broke";
      throw new SourceFailure("unreachable", reason, { cause: asError(error) });
    } finally {
      silent.dispose();
    }
  }

  #url(name: string): URL {
    return name === INDEX_NAME ? this.#index : new URL(name, this.#index);
  }
}

/** What is named by its digest never changes; the index is asked for anew, at the price of a 304. */
function cacheMode(name: string, fresh: boolean): RequestCache {
  if (fresh) return "reload";
  return name === INDEX_NAME ? "no-cache" : "force-cache";
}

function refusal(response: Response): SourceFailure {
  const { status } = response;
  if (status === 404 || status === 410) {
    return new SourceFailure("missing", `the server does not have a file (it answered ${status})`);
  }
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  const retryAfter = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) * 1000 : 0;
  return new SourceFailure("unreachable", `the server answered ${status}`, { retryAfter });
}

async function collect(
  body: ReadableStream<Uint8Array>,
  most: number,
  onBytes: (count: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      onBytes(value.length);
      length += value.length;
      if (length > most) throw new SourceFailure("wrong", "a file has too many bytes");
      pieces.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error;
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Aborts when it is not restarted in time. */
class SilenceTimer {
  readonly #controller = new AbortController();
  readonly #limit: number;
  #timer: ReturnType<typeof setTimeout>;

  constructor(limit: number) {
    this.#limit = limit;
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#controller.abort(), this.#limit);
  }
}
