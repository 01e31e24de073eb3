/** A token bucket that may be overdrawn: what was taken is known only after it came. */
export class Bucket {
  readonly #perMillisecond: number;
  readonly #size: number;
  #level: number;
  #filledAt: number;

  /** @param now milliseconds, of any clock that only goes forward */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perMillisecond = perSecond / 1000;
    this.#size = burst;
    this.#level = burst;
    this.#filledAt = now;
  }

  /** Takes so many. Returns the milliseconds until what is missing has come in: 0 when nothing is. */
  take(amount: number, now: number): number {
    // With an infinite rate it is always full, and 0 · Infinity no number.
    if (this.#perMillisecond === Infinity) return 0;
    this.#level = Math.min(this.#size, this.#level + (now - this.#filledAt) * this.#perMillisecond) - amount;
    this.#filledAt = now;
    return this.#level >= 0 ? 0 : -this.#level / this.#perMillisecond;
  }

  /** Takes so many if they are there. */
  tryTake(amount: number, now: number): boolean {
    if (this.take(amount, now) === 0) return true;
    this.#level += amount;
    return false;
  }

  /** Nothing is missing that it could hold: forgetting it changes nothing. */
  isFull(now: number): boolean {
    return this.#level + (now - this.#filledAt) * this.#perMillisecond >= this.#size;
  }
}
