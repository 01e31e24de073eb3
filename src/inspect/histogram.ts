import type { Histogram } from "./types.ts";

/** The last bucket counts whatever is longer, too: from 2^46 microseconds on, two years. */
const BUCKETS = 48;

/** Durations by powers of two, as `Histogram` says. */
export class Durations {
  readonly #counts = new Float64Array(BUCKETS);
  #used = 0;
  #total = 0;
  #maximum = 0;

  /** @param duration microseconds */
  add(duration: number): void {
    const bucket = duration < 1 ? 0 : Math.min(Math.floor(Math.log2(duration)) + 1, BUCKETS - 1);
    this.#counts[bucket]!++;
    this.#used = Math.max(this.#used, bucket + 1);
    this.#total += duration;
    this.#maximum = Math.max(this.#maximum, duration);
  }

  histogram(): Histogram {
    return {
      counts: [...this.#counts.subarray(0, this.#used)],
      total: this.#total,
      maximum: this.#maximum,
    };
  }
}
