import { DiskError, asError } from "../errors.ts";
import { AwakeClock } from "./awake-clock.ts";
import type { ImageTiming } from "./options.ts";
import { type Attempt, SourceFailure } from "./source.ts";
import { StallWatch } from "./stall-watch.ts";

/** Requests under way at a time: browsers open six connections to a server of HTTP/1.1. */
const PARALLEL = 6;
/** Of these for what nobody has asked for yet, so that who asks finds a free one. */
const PARALLEL_AHEAD = 4;
/** What waits to be fetched ahead beyond this is forgotten, oldest first. */
const LONGEST_AHEAD = 64;

export interface QueueOptions {
  /** Tries again what failed. Otherwise the first failure is the end. */
  unreliable: boolean;
  /** Milliseconds of waiting in vain after which a job fails. */
  timeout: number;
  timing: ImageTiming;
  stall: StallWatch;
  /** The error for whoever waits, from the last attempt's. */
  explain: (failure: SourceFailure) => DiskError;
  /** Called before each repetition. */
  onRetry: () => void;
}

/** Something to be fetched, in as many attempts as it takes. */
export interface Job<T> {
  readonly result: Promise<T>;
  /** Somebody waits for it now: it goes before what nobody waits for, and is tried until the time is over. */
  demand(): void;
}

interface Entry {
  readonly attempt: (how: Attempt) => Promise<unknown>;
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  state: "queued" | "running" | "pausing" | "ended";
  demanded: boolean;
  /** When somebody began to wait, and when the first attempt began, on the clock. */
  demandedAt: number;
  startedAt: number;
  failure: SourceFailure | undefined;
  failures: number;
  /** Something came that was wrong. */
  wrong: boolean;
  lastByte: number;
  /** The person knows that somebody waits for this one. */
  inVain: boolean;
  controller: AbortController | undefined;
  pause: ReturnType<typeof setTimeout> | undefined;
}

/** An attempt that got a byte within as many milliseconds is alive. */
const FRESH = 1000;

const UNANSWERED = "there is no answer yet";

/** Why an attempt is broken off that is to be made again at once. */
const AGAIN = new Error("The attempt is made anew.");

/**
 * Fetches with a bound on what is under way, demand before read-ahead, and again what failed: after a pause that grows, and at
 * once when the network is there again or a sleep has ended. A job fails when nothing came of it for the timeout, when its
 * attempt threw a DiskError, or, as long as nobody has demanded it, at the first failure.
 */
export class FetchQueue {
  readonly #options: QueueOptions;
  readonly #clock: AwakeClock;
  readonly #entries = new Set<Entry>();
  #demand: Entry[] = [];
  #ahead: Entry[] = [];
  #running = 0;
  #runningAhead = 0;
  #lastSuccess = 0;
  #closed: DiskError | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#clock = new AwakeClock(options.timing.tick, {
      onTick: () => this.#look(),
      onWake: () => this.retryNow(),
    });
  }

  /** Begins a job that nobody waits for, until its `demand` is called. `attempt` may be called several times. */
  add<T>(attempt: (how: Attempt) => Promise<T>): Job<T> {
    let resolve!: (result: T) => void;
    let reject!: (error: Error) => void;
    const result = new Promise<T>((...settle) => ([resolve, reject] = settle));
    const entry: Entry = {
      attempt,
      resolve,
      reject,
      state: "queued",
      demanded: false,
      demandedAt: 0,
      startedAt: -1,
      failure: undefined,
      failures: 0,
      wrong: false,
      lastByte: 0,
      inVain: false,
      controller: undefined,
      pause: undefined,
    };
    if (this.#closed) {
      reject(this.#closed);
      entry.state = "ended";
    } else {
      this.#entries.add(entry);
      this.#ahead.push(entry);
      this.#clock.start();
      // In a task of its own: whoever added it may demand it at once.
      queueMicrotask(() => this.#pump());
    }
    return { result, demand: () => this.#demanded(entry) };
  }

  /** Ends all pauses, and begins anew what is under way and has no answer: the network may be another one. */
  retryNow(): void {
    for (const entry of this.#entries) {
      const silent = this.#clock.now - entry.lastByte > FRESH;
      if (entry.state === "running" && silent) entry.controller?.abort(AGAIN);
    }
    this.#endPauses();
  }

  /** Rejects whatever is under way, and whatever is asked for later, with `reason`. */
  close(reason: DiskError): void {
    if (this.#closed) return;
    this.#closed = reason;
    for (const entry of this.#entries) this.#end(entry, () => entry.reject(reason));
    this.#clock.stop();
  }

  #demanded(entry: Entry): void {
    if (entry.demanded || entry.state === "ended") return;
    if (entry.state === "running") this.#runningAhead--;
    entry.demanded = true;
    entry.demandedAt = this.#clock.now;
    if (entry.state === "queued") this.#demand.push(entry); // and is passed over in the other queue
  }

  #endPauses(): void {
    for (const entry of this.#entries) if (entry.state === "pausing") this.#enqueue(entry);
    this.#pump();
  }

  #enqueue(entry: Entry): void {
    clearTimeout(entry.pause);
    entry.state = "queued";
    (entry.demanded ? this.#demand : this.#ahead).push(entry);
  }

  #pump(): void {
    while (this.#running < PARALLEL) {
      const entry = this.#next();
      if (!entry) return;
      void this.#run(entry);
    }
  }

  #next(): Entry | undefined {
    for (let entry = this.#demand.shift(); entry; entry = this.#demand.shift()) {
      if (entry.state === "queued") return entry;
    }
    this.#ahead = this.#ahead.filter((entry) => entry.state === "queued" && !entry.demanded);
    for (const entry of this.#ahead.splice(0, this.#ahead.length - LONGEST_AHEAD)) this.#giveUp(entry);
    return this.#runningAhead < PARALLEL_AHEAD ? this.#ahead.shift() : undefined;
  }

  /** One attempt. Never rejects. */
  async #run(entry: Entry): Promise<void> {
    entry.state = "running";
    entry.lastByte = this.#clock.now;
    if (entry.startedAt < 0) entry.startedAt = this.#clock.now;
    if (entry.failures > 0) this.#options.onRetry();
    const controller = (entry.controller = new AbortController());
    this.#running++;
    if (!entry.demanded) this.#runningAhead++;
    try {
      const result = await entry.attempt({
        signal: controller.signal,
        // A browser's cache keeps refusals as well as what is wrong.
        fresh: entry.failures > 0,
        wrongBefore: entry.wrong,
        onBytes: () => (entry.lastByte = this.#clock.now),
      });
      this.#left(entry);
      this.#succeeded(entry, result);
    } catch (error) {
      this.#left(entry);
      this.#failed(entry, error);
    }
    this.#pump();
  }

  #left(entry: Entry): void {
    this.#running--;
    if (!entry.demanded) this.#runningAhead--;
  }

  #succeeded(entry: Entry, result: unknown): void {
    const { now } = this.#clock;
    const first = now - this.#lastSuccess >= this.#options.timing.stall;
    this.#lastSuccess = now;
    this.#end(entry, () => entry.resolve(result as never));
    // Others need not pause any longer because nobody answered.
    if (first) this.#endPauses();
    for (const other of this.#entries) if (other.inVain) return;
    this.#options.stall.answered();
  }

  #failed(entry: Entry, error: unknown): void {
    if (entry.state === "ended") return;
    if (error === AGAIN) {
      this.#enqueue(entry);
      return;
    }
    if (error instanceof DiskError) {
      this.#end(entry, () => entry.reject(error));
      return;
    }
    const failure =
      error instanceof SourceFailure ? error : new SourceFailure("unreachable", asError(error).message);
    entry.failure = failure;
    entry.failures++;
    if (failure.kind === "wrong") entry.wrong = true;
    if (!this.#options.unreliable || !entry.demanded) {
      this.#giveUp(entry);
      return;
    }
    entry.state = "pausing";
    entry.pause = setTimeout(
      () => {
        this.#enqueue(entry);
        this.#pump();
      },
      this.#pauseAfter(entry, failure),
    );
  }

  /** Twice as long after each failure, and by chance somewhat less, so that not everybody comes back at once. */
  #pauseAfter({ failures }: Entry, { retryAfter }: SourceFailure): number {
    const { backOff, longestBackOff } = this.#options.timing;
    const most = Math.min(backOff * 2 ** Math.min(failures - 1, 20), longestBackOff);
    return Math.max(most * (0.5 + Math.random() / 2), retryAfter);
  }

  #giveUp(entry: Entry): void {
    const failure = entry.failure ?? new SourceFailure("unreachable", UNANSWERED);
    this.#end(entry, () => entry.reject(this.#options.explain(failure)));
  }

  #end(entry: Entry, settle: () => void): void {
    if (entry.state === "ended") return;
    entry.state = "ended";
    clearTimeout(entry.pause);
    entry.controller?.abort(this.#closed ?? AGAIN); // one that has ended does not mind
    this.#entries.delete(entry);
    if (this.#entries.size === 0) this.#clock.stop();
    settle();
  }

  /** Who waits in vain, and for whom has it been long enough? */
  #look(): void {
    const { now } = this.#clock;
    const { timeout, timing, stall } = this.#options;
    for (const entry of this.#entries) {
      if (!entry.demanded) continue;
      const reason = entry.failure?.message ?? UNANSWERED;
      // Who stands behind others waits in vain only when all do.
      const unheard = now - Math.max(entry.demandedAt, this.#lastSuccess);
      const tried = entry.startedAt < 0 ? 0 : now - Math.max(entry.demandedAt, entry.startedAt);
      if ((entry.failures > 0 ? tried : Math.min(unheard, now - entry.lastByte)) >= timing.stall) {
        entry.inVain = true;
        stall.waiting(reason);
      }
      if (Math.max(unheard, tried) >= timeout) {
        stall.gaveUp(reason);
        this.#giveUp(entry);
      }
    }
    this.#pump();
  }
}
