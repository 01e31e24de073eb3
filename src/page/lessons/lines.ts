/** Called with the line's number in the file (from 1) and a sentence without its full stop. */
export type Problems = (line: number, sentence: string) => void;

export interface Line {
  key: string;
  value: string;
  line: number;
}

/** Lines of `key: value`; each key once. What nobody took is a problem at the end. */
export class Lines {
  readonly #lines = new Map<string, Line>();
  readonly #known: string[] = [];
  readonly #first: number;
  readonly #problems: Problems;

  /** @param first the number of the first line in the file */
  constructor(text: string, first: number, problems: Problems) {
    this.#first = first;
    this.#problems = problems;
    text.split("\n").forEach((content, index) => {
      if (content.trim() === "") return;
      const match = /^\s*([A-Za-z-]+)\s*(?::\s*(.*?)\s*)?$/.exec(content);
      const line = first + index;
      if (!match) problems(line, `"${content.trim()}" is no line of the form key: value`);
      else if (this.#lines.has(match[1]!)) problems(line, `"${match[1]}" stands twice`);
      else this.#lines.set(match[1]!, { key: match[1]!, value: match[2] ?? "", line });
    });
  }

  has(key: string): boolean {
    return this.#lines.has(key);
  }

  take(key: string): Line | undefined {
    this.#known.push(key);
    const line = this.#lines.get(key);
    this.#lines.delete(key);
    return line;
  }

  text(key: string, required = false): string | undefined {
    const line = this.take(key);
    if (required && !line) this.#problems(this.#first, `"${key}: …" is missing`);
    if (line?.value === "") this.#problems(line.line, `"${key}" has no value`);
    return line?.value;
  }

  /** A whole number from 0, decimal or hexadecimal (0x…). */
  number(key: string, required = false): number | undefined {
    const line = this.take(key);
    if (!line) {
      if (required) this.#problems(this.#first, `"${key}: …" is missing`);
      return undefined;
    }
    const number = readNumber(line.value);
    if (number === undefined)
      this.#problems(line.line, `"${line.value}" is no whole number, which "${key}" has to be`);
    return number;
  }

  yesOrNo(key: string): boolean | undefined {
    const word = this.oneOf(key, ["yes", "no"]);
    return word === undefined ? undefined : word === "yes";
  }

  oneOf<T extends string>(key: string, words: readonly T[]): T | undefined {
    const line = this.take(key);
    if (!line) return undefined;
    const word = words.find((candidate) => candidate === line.value);
    if (word === undefined)
      this.#problems(line.line, `"${line.value}" is not a value of "${key}"; there are ${words.join(", ")}`);
    return word;
  }

  /** After all that is known was taken. */
  end(where: string): void {
    for (const { key, line } of this.#lines.values()) {
      this.#problems(
        line,
        `"${key}" is not a key of ${where}; there are ${[...new Set(this.#known)].join(", ")}`,
      );
    }
  }
}

export function readNumber(text: string): number | undefined {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}
