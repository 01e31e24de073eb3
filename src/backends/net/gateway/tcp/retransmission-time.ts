/** Milliseconds. The way is one hop in the same process, but a guest may be slow, and a tab in the background wakes once a second. */
const FIRST = 1000;
const LEAST = 300;
const MOST = 30_000;

/** How long to wait for an acknowledgement (RFC 6298). */
export class RetransmissionTime {
  #smoothed: number | undefined;
  #variation = 0;
  #backOff = 1;

  get milliseconds(): number {
    const base = this.#smoothed === undefined ? FIRST : this.#smoothed + 4 * this.#variation;
    return Math.min(Math.max(base, LEAST) * this.#backOff, MOST);
  }

  /** It took so long, of something sent once. */
  measured(milliseconds: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = milliseconds;
      this.#variation = milliseconds / 2;
      return;
    }
    this.#variation += (Math.abs(this.#smoothed - milliseconds) - this.#variation) / 4;
    this.#smoothed += (milliseconds - this.#smoothed) / 8;
  }

  /** Nothing came in that time. */
  double(): void {
    if (this.milliseconds < MOST) this.#backOff *= 2;
  }

  /** Something new was acknowledged. */
  calm(): void {
    this.#backOff = 1;
  }
}
