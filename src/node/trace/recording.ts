import { type FileHandle, open } from "node:fs/promises";
import type { TraceApi, TraceFormat } from "../../inspect/api.ts";
import type { Bytes, TraceWriter } from "../../inspect/file/writer.ts";
import { traceWriter } from "../../inspect/file/writers.ts";
import { formatOf } from "./ending.ts";

/** Of what is recorded and not in the file yet, bytes: when the file is too slow, the oldest events are not in it. */
export const RECORDING_BOUND = 64 << 20;
/** Bytes kept of each chain, used element and frame, unless somebody says how many. */
export const DEFAULT_SAMPLE = 256;

/** What is asked of a trace that grows. */
type LiveTrace = Pick<TraceApi, "summary" | "events" | "statistics">;

/** Events that are written together; so many make the writing begin. */
const EVENTS_AT_ONCE = 1000;
/** Milliseconds after which an event is in the file, whatever else comes. */
const LATEST = 1000;

export interface RecordingStatus {
  path: string;
  /** Events in the file. */
  events: number;
  /** Of the file, bytes. */
  bytes: number;
  /** Events that are not in it: the file was too slow, or could not be written any more. */
  dropped: number;
}

/** A file that a trace is written to as it grows. The trace is the queue before it, with its own bound. */
export class FileRecording {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #trace: LiveTrace;
  readonly #writer: TraceWriter;
  readonly #onFailure: (message: string) => void;
  readonly #timer: NodeJS.Timeout;
  /** Number of the event that is written next. */
  #next = 0;
  /** Recorded since somebody looked. */
  #unread = 0;
  #events = 0;
  #bytes = 0;
  /** Of the newest event in the file, microseconds. */
  #time = 0;
  /** Those that the file knows, as text. */
  #devices: string;
  #writing: Promise<void> | undefined;
  #failed = false;
  #ending: Promise<void> | undefined;

  /** Use {@link openRecording}. */
  constructor(
    path: string,
    file: FileHandle,
    format: TraceFormat,
    trace: LiveTrace,
    onFailure: (message: string) => void,
  ) {
    this.#path = path;
    this.#file = file;
    this.#trace = trace;
    this.#writer = traceWriter(format);
    this.#onFailure = onFailure;
    const { start, config, devices } = trace.summary();
    this.#devices = JSON.stringify(devices);
    void this.#work(() => this.#put(this.#writer.begin({ start, config, devices })));
    this.#timer = setInterval(() => void this.#work(() => this.#flush()), LATEST).unref();
  }

  get status(): RecordingStatus {
    const { next } = this.#trace.summary();
    return { path: this.#path, events: this.#events, bytes: this.#bytes, dropped: next - this.#events };
  }

  /** The trace has one event more. */
  recorded(): void {
    if (++this.#unread < EVENTS_AT_ONCE) return;
    this.#unread = 0;
    void this.#work(() => this.#writeAll());
  }

  /** Resolves when all is in the file and that is closed. What goes wrong is told, as any failure is. Never rejects. */
  end(): Promise<void> {
    return (this.#ending ??= this.#end());
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#writing) await this.#writing;
    await this.#work(() => this.#finish());
    await this.#file.close().catch((error: unknown) => this.#fail(error));
  }

  /** Begins later, when all that this turn brings is there: a kick knows its requests then. One work at a time. */
  #work(work: () => Promise<void>): Promise<void> | undefined {
    if (this.#writing || this.#failed) return undefined;
    return (this.#writing = Promise.resolve()
      .then(work)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => (this.#writing = undefined)));
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      const { next, devices } = this.#trace.summary();
      const events = this.#trace.events({ from: this.#next, to: next, limit: EVENTS_AT_ONCE });
      const newest = events.at(-1);
      if (!newest) return;
      const known = JSON.stringify(devices);
      await this.#put(this.#writer.add(events, known === this.#devices ? undefined : devices));
      this.#devices = known;
      this.#next = newest.seq + 1;
      this.#events += events.length;
      this.#time = newest.time;
    }
  }

  async #flush(): Promise<void> {
    await this.#writeAll();
    await this.#put(this.#writer.flush());
  }

  async #finish(): Promise<void> {
    await this.#writeAll();
    const { next } = this.#trace.summary();
    const [time, events, statistics] = [this.#time, this.#events, this.#trace.statistics()];
    await this.#put(this.#writer.end({ time, events, dropped: next - events, statistics }));
  }

  async #put(bytes: Bytes | Promise<Bytes>): Promise<void> {
    const piece = await bytes;
    await this.#file.appendFile(piece);
    this.#bytes += piece.length;
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    clearInterval(this.#timer);
    this.#onFailure(
      `The recording ends before the machine does: ${this.#path} cannot be written (${messageOf(error)}).`,
    );
  }
}

/**
 * Makes the file, or empties it; its name says in which format. Rejects with a plain sentence. `onFailure` is told at most once, of
 * what goes wrong later.
 */
export async function openRecording(
  path: string,
  trace: LiveTrace,
  onFailure: (message: string) => void,
  format: TraceFormat = formatOf(path),
): Promise<FileRecording> {
  try {
    return new FileRecording(path, await open(path, "w"), format, trace, onFailure);
  } catch (cause) {
    throw new Error(`The recording ${path} cannot be written (${messageOf(cause)}).`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
