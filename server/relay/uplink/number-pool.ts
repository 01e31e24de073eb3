/** Numbers of the host (UDP ports, identifiers of pings) for all members: each is one member's at a time. */
export interface NumberPoolOptions {
  first: number;
  last: number;
  /** Those that other programs of this computer have now. */
  occupied: () => ReadonlySet<number>;
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
}

/** Numbers that are tried before it is said that there is none. */
const TRIES = 256;

export class NumberPool {
  readonly #options: NumberPoolOptions;
  readonly #held = new Set<number>();
  /** Until when those that were given back are left alone, in the order in which they were. */
  readonly #resting: { number: number; until: number }[] = [];

  constructor(options: NumberPoolOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#options.last - this.#options.first + 1;
  }

  /** A number that nobody has and that is not in `spent`; undefined when none is found. */
  take(spent: ReadonlySet<number>): number | undefined {
    this.#wake();
    const { first, last, occupied } = this.#options;
    const others = occupied();
    for (let i = 0; i < TRIES; i++) {
      const number = first + Math.floor(Math.random() * (last - first + 1));
      if (this.#held.has(number) || spent.has(number) || others.has(number)) continue;
      this.#held.add(number);
      return number;
    }
    return undefined;
  }

  /** It can be another's after `rest` milliseconds. */
  giveBack(number: number, rest: number): void {
    if (rest === 0) this.#held.delete(number);
    else this.#resting.push({ number, until: this.#options.now() + rest });
  }

  /** All rest about equally long: those in front are first. */
  #wake(): void {
    const now = this.#options.now();
    let count = 0;
    while (count < this.#resting.length && this.#resting[count]!.until <= now) {
      this.#held.delete(this.#resting[count++]!.number);
    }
    this.#resting.splice(0, count);
  }
}
