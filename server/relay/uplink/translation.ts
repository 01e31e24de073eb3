/**
 * Puts numbers of the host in place of the guest's UDP ports (or identifiers of pings), and back.
 *
 * passt binds a socket to the very number that its guest uses, shares it with whoever else has it bound, and hands on what comes
 * from anybody. Left alone, one guest would get another's answers, or those of a program of the host. So every number is one
 * member's, and what comes in goes on only from where the member has sent to. And passt 2023-03-09 forgets that it has closed a
 * socket which was idle for three minutes: a number that rested so long is not used again in the same process.
 */
import type { NumberPool } from "./number-pool.ts";

export interface TranslationOptions {
  pool: NumberPool;
  now: () => number;
  /** Milliseconds without a packet from the guest after which it is over; the same of a brief one: a question and its answer. */
  idle: number;
  briefIdle: number;
  /** Milliseconds after which passt closes the socket. */
  closes: number;
  /** passt cannot open it again. */
  once: boolean;
}

interface Flow {
  inner: number;
  outer: number;
  lastOut: number;
  brief: boolean;
  /** Who was sent to. */
  remotes: Set<string>;
}

/** Of one member; the oldest goes for one more. */
export const MOST_FLOWS = 256;
/** Of one flow; the oldest goes for one more. */
export const MOST_REMOTES = 64;
/** Milliseconds between what our clock and passt's say. */
const MARGIN = 5000;
/** Milliseconds between looks for flows that are over. */
const SWEEP = 5000;

export class Translation {
  readonly #options: TranslationOptions;
  readonly #byInner = new Map<number, Flow>();
  readonly #byOuter = new Map<number, Flow>();
  /** Numbers whose sockets passt still has, and which have no flow. The last is the freshest. */
  #spare: { outer: number; lastOut: number }[] = [];
  readonly #spent = new Set<number>();
  #swept = -Infinity;

  constructor(options: TranslationOptions) {
    this.#options = options;
  }

  /** The host's number for the guest's; undefined when there is none to be had. */
  outward(inner: number, remote: string, brief: boolean): number | undefined {
    const now = this.#options.now();
    const flow = this.#byInner.get(inner) ?? this.#begin(inner, now);
    if (!flow) return undefined;
    flow.lastOut = now;
    flow.brief &&= brief;
    if (!flow.remotes.has(remote)) {
      if (flow.remotes.size >= MOST_REMOTES) flow.remotes.delete(flow.remotes.values().next().value!);
      flow.remotes.add(remote);
    }
    return flow.outer;
  }

  /** Most of all numbers were used up: only another process has new ones. */
  get isWorn(): boolean {
    return this.#spent.size > this.#options.pool.size / 2;
  }

  /** The guest's number, if it has sent there with that. */
  inward(outer: number, remote: string): number | undefined {
    const flow = this.#byOuter.get(outer);
    return flow?.remotes.has(remote) ? flow.inner : undefined;
  }

  /** passt has ended: its sockets are closed. */
  dispose(): void {
    for (const outer of [...this.#byOuter.keys(), ...this.#spare.map((spare) => spare.outer)]) {
      this.#options.pool.giveBack(outer, 0);
    }
    this.#byInner.clear();
    this.#byOuter.clear();
    this.#spare = [];
  }

  #begin(inner: number, now: number): Flow | undefined {
    this.#sweep(now);
    const outer = this.#spareNumber(now) ?? this.#options.pool.take(this.#spent);
    if (outer === undefined) return undefined;
    const flow: Flow = { inner, outer, lastOut: now, brief: true, remotes: new Set() };
    this.#byInner.set(inner, flow);
    this.#byOuter.set(outer, flow);
    return flow;
  }

  /** Ends what is over, now and then; where there are too many, also the one that has been idle for longest. */
  #sweep(now: number): void {
    const isFull = this.#byInner.size >= MOST_FLOWS;
    if (!isFull && now - this.#swept < SWEEP) return;
    this.#swept = now;
    let oldest: Flow | undefined;
    for (const flow of this.#byInner.values()) {
      const { idle, briefIdle } = this.#options;
      if (now - flow.lastOut >= (flow.brief ? briefIdle : idle)) this.#end(flow);
      else if (!oldest || flow.lastOut < oldest.lastOut) oldest = flow;
    }
    if (oldest && this.#byInner.size >= MOST_FLOWS) this.#end(oldest);
  }

  #end(flow: Flow): void {
    this.#byInner.delete(flow.inner);
    this.#byOuter.delete(flow.outer);
    this.#spare.push({ outer: flow.outer, lastOut: flow.lastOut });
  }

  #spareNumber(now: number): number | undefined {
    const { pool, closes, once } = this.#options;
    const isOpen = (spare: { lastOut: number }): boolean => now - spare.lastOut < closes - MARGIN;
    for (const spare of this.#spare.filter((each) => !isOpen(each))) {
      if (once) this.#spent.add(spare.outer);
      pool.giveBack(spare.outer, 2 * MARGIN);
    }
    this.#spare = this.#spare.filter(isOpen);
    return this.#spare.pop()?.outer;
  }
}
