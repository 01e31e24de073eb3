/** Texts that come again and again, as small numbers. */
export class Names {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #most: number;
  /** What stands for all that come when there are `most` of them. */
  readonly #others: string;
  #last = "";
  #lastNumber = -1;

  /** @param most at most 65,536 */
  constructor(most: number, others: string) {
    this.#most = most;
    this.#others = others;
  }

  /** Gives it a number when it has none. */
  number(name: string): number {
    if (name === this.#last && this.#lastNumber >= 0) return this.#lastNumber;
    let number = this.#numbers.get(name);
    if (number === undefined) {
      if (this.#names.length >= this.#most - 1 && name !== this.#others) return this.number(this.#others);
      number = this.#names.push(name) - 1;
      this.#numbers.set(name, number);
    }
    this.#last = name;
    this.#lastNumber = number;
    return number;
  }

  /** Undefined when it has none. */
  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  name(number: number): string {
    return this.#names[number]!;
  }

  get all(): readonly string[] {
    return this.#names;
  }
}
