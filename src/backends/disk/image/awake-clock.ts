/** A gap between two ticks beyond this many milliseconds is a sleep: of the computer, or of a tab that was suspended. */
const SLEEP = 10_000;

/** Measures time while somebody waits, without that for which the computer or the tab sleeps. Milliseconds. */
export class AwakeClock {
  readonly #tick: number;
  readonly #onTick: () => void;
  readonly #onWake: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #counted = 0;
  #last = 0;

  /** `onWake` is called when a sleep has ended, before `onTick`. */
  constructor(tick: number, { onTick, onWake }: { onTick: () => void; onWake: () => void }) {
    this.#tick = tick;
    this.#onTick = onTick;
    this.#onWake = onWake;
  }

  get now(): number {
    return this.#counted + (this.#timer === undefined ? 0 : this.#sinceLast());
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#last = Date.now();
    this.#timer = setInterval(() => this.#count(), this.#tick);
  }

  stop(): void {
    this.#counted = this.now;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #count(): void {
    const slept = Date.now() - this.#last > SLEEP + this.#tick;
    this.#counted = this.now;
    this.#last = Date.now();
    if (slept) this.#onWake();
    this.#onTick();
  }

  /** Somewhat more than a tick at most, and never negative: clocks are set, too. */
  #sinceLast(): number {
    return Math.max(0, Math.min(Date.now() - this.#last, 4 * this.#tick));
  }
}
