/** Milliseconds: of the first wait, and of the longest. */
export const BACKOFF = { least: 500, most: 30_000 } as const;

/** How long to wait before the next attempt: twice as long each time, and not the same for all that lost the same relay. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Milliseconds. @param round how many different attempts there are, each of which is made before the wait grows */
  next(round: number): number {
    const doublings = Math.floor(this.#failures++ / round);
    const longest = Math.min(BACKOFF.most, BACKOFF.least * 2 ** Math.min(doublings, 16));
    return longest * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
