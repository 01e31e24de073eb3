/** Milliseconds: a little more than v86 runs (TIME_PER_FRAME in its cpu.rs) before it gives way to the event loop. */
const FRAME = 1.5;

/**
 * The time that v86 tells its guest, in milliseconds: TSC, local APIC and the older timers all come from it. It stands still
 * while the guest does, so that a guest that was stopped for an hour finds no hour gone, and no timer late by one; its date
 * is behind by as much from then on. It never goes back.
 */
export class GuestClock {
  /** The clock of the guest whose code is on the stack. */
  static #running: GuestClock | undefined;
  /** v86's devices outside WebAssembly all look at one clock: it is the one of whose guest looks. */
  static readonly readRunning = (): number => GuestClock.#running?.read() ?? performance.now();

  /** v86 is to give way after each of its rounds. */
  shortSlices = false;
  /** How long the guest has stood still in all, and since when it does. */
  #stood = 0;
  #stoppedAt: number | undefined;
  #stopping = false;
  #least = 0;
  /** The next reading is the one from which v86 counts its frame. */
  #entering = false;
  #shift = 0;

  readonly read = (): number => {
    const now = (this.#stoppedAt ?? performance.now()) - this.#stood;
    if (now > this.#least) this.#least = now;
    if (!this.#entering) return this.#least;
    this.#entering = false;
    return this.#least - this.#shift;
  };

  /** A time as v86 hands it on, which may be one from which it counts a frame that is already over. */
  unshift(now: number): number {
    return this.#shift > 0 && now < this.#least ? this.#least : now;
  }

  enter(): void {
    GuestClock.#running = this;
    this.#entering = true;
    this.#shift = this.shortSlices ? FRAME : 0;
  }

  leave(): void {
    GuestClock.#running = undefined;
    this.#entering = false;
    if (this.#stopping) this.#stoppedAt ??= performance.now();
    this.#stopping = false;
  }

  /** Ends the frame in which v86 is: its clock jumps over it, and stands until the time has come up. */
  skipFrame(): void {
    this.#least = this.read() + FRAME;
  }

  /** v86 counts on the time to end its frame: it stands still when that is over. */
  stop(): void {
    if (GuestClock.#running === this) this.#stopping = true;
    else this.#stoppedAt ??= performance.now();
  }

  run(): void {
    this.#stopping = false;
    if (this.#stoppedAt === undefined) return;
    this.#stood += performance.now() - this.#stoppedAt;
    this.#stoppedAt = undefined;
  }
}
