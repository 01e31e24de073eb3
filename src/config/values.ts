import { closest, type Candidate } from "./similar.ts";

/** How one kind of value is written: the parser, the formatter, the help and the page's forms all use this. */
export interface ValueType<T> {
  /** For help and messages: `SIZE`, `on|off`. */
  readonly syntax: string;
  /** All that may stand there, when that is a short list. */
  readonly choices?: readonly string[];
  /** Throws a {@link BadValue}. `text` is decoded. */
  parse(text: string): T;
  /** The shortest text from which `parse` makes the value. */
  format(value: T): string;
}

/** Why a text is not such a value. The parser knows where it stands and makes a ConfigError of it. */
export class BadValue extends Error {
  readonly expected: string;
  readonly suggestion: string | undefined;

  constructor(expected: string, suggestion?: string) {
    super(`expected ${expected}`);
    this.expected = expected;
    this.suggestion = suggestion;
  }
}

/** One of a few words. */
export function choice<T extends string>(
  ...candidates: readonly (T | (Candidate & { name: T }))[]
): ValueType<T> {
  const known = candidates.map((candidate) =>
    typeof candidate === "string" ? { name: candidate } : candidate,
  );
  const choices = known.map(({ name }) => name);
  return {
    syntax: choices.join("|"),
    choices,
    parse(text) {
      const found = choices.find((name) => name === text);
      if (found === undefined) throw new BadValue(either(choices), closest(text, known));
      return found;
    },
    format: (value) => value,
  };
}

const switchWords = choice(
  { name: "on", akin: ["yes", "true", "1"] },
  { name: "off", akin: ["no", "false", "0"] },
);

/** A switch, written as QEMU does. */
export const onOff: ValueType<boolean> = {
  syntax: switchWords.syntax,
  choices: switchWords.choices!,
  parse: (text) => switchWords.parse(text) === "on",
  format: (value) => (value ? "on" : "off"),
};

export interface SizeLimits {
  /** What has that size, for the message: "a disk". */
  what: string;
  /** Bytes. */
  least: number;
  most: number;
  /** Every size is a multiple of this many bytes. */
  multiple: number;
}

/** Bytes, as a plain number or with K, M, G or T for powers of 1024. */
export function size({ what, least, most, multiple }: SizeLimits): ValueType<number> {
  const range = `${what} from ${inWords(least)} to ${inWords(most)}`;
  return {
    syntax: "SIZE",
    parse(text) {
      const { bytes, exact } = parseSize(text);
      const near = Math.max(least, Math.min(most, Math.round(bytes / multiple) * multiple));
      const meant = near === bytes || bytes % multiple !== 0 ? formatSize(near) : undefined;
      if (!exact) throw new BadValue(SIZE_EXPECTED, Number.isNaN(bytes) ? undefined : meant);
      if (bytes < least || bytes > most) throw new BadValue(range);
      if (bytes % multiple !== 0) throw new BadValue(`${range} in steps of ${inWords(multiple)}`, meant);
      return bytes;
    },
    format: formatSize,
  };
}

/** One of a few numbers. */
export function oneOf(...numbers: readonly number[]): ValueType<number> {
  const words = choice(...numbers.map(String));
  return {
    syntax: words.syntax,
    choices: words.choices!,
    parse: (text) => Number(words.parse(text)),
    format: (value) => `${value}`,
  };
}

export interface NumberLimits {
  /** What is counted, for the message: "MSI-X vectors". */
  what: string;
  least: number;
  most: number;
}

/** How many of something. */
export function wholeNumber({ what, least, most }: NumberLimits): ValueType<number> {
  return {
    syntax: "NUMBER",
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
      if (value >= least && value <= most) return value;
      throw new BadValue(`a number of ${what} from ${least} to ${most}`);
    },
    format: (value) => `${value}`,
  };
}

const UNITS = ["", "K", "M", "G", "T"];

/** The size with the largest unit that leaves it a whole number: `formatSize(1536 * 1024)` is `1536K`. */
export function formatSize(bytes: number): string {
  let unit = 0;
  while (unit < UNITS.length - 1 && bytes !== 0 && bytes % 1024 === 0) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes}${UNITS[unit]!}`;
}

function inWords(bytes: number): string {
  return bytes % 1024 === 0 ? formatSize(bytes) : `${bytes} bytes`;
}

const SIZE_EXPECTED = "a size in bytes, or a whole number with K, M, G or T (powers of 1024), such as 64M";

/** Bytes; NaN for what is no size. Not exact is what the grammar refuses but a person understands: 1.5G, 64 MiB. */
function parseSize(text: string): { bytes: number; exact: boolean } {
  const parts = /^(\d{1,15}(?:\.\d{1,9})?)\s*([KMGT]?)(i?B(?:ytes)?)?$/i.exec(text);
  if (parts === null) return { bytes: NaN, exact: false };
  return { bytes: Number(parts[1]) * unitBytes(parts[2]!), exact: /^\d+[KMGT]?$/i.test(text) };
}

function unitBytes(letter: string): number {
  return 1024 ** UNITS.indexOf(letter.toUpperCase());
}

export interface TextLimits {
  syntax: string;
  /** Bytes of UTF-8. */
  mostBytes: number;
  /** What the whole text must match, and that in words. */
  pattern?: RegExp;
  expected: string;
}

/** Any text but control characters, or what a pattern allows. */
export function text({ syntax, mostBytes, pattern, expected }: TextLimits): ValueType<string> {
  return {
    syntax,
    parse(given) {
      if (new TextEncoder().encode(given).length > mostBytes) {
        throw new BadValue(`${expected}, at most ${mostBytes} bytes`);
      }
      if (UNPRINTABLE.test(given) || pattern?.test(given) === false) throw new BadValue(expected);
      return given;
    },
    format: (value) => value,
  };
}

// Control characters end or garble a kernel command line, a path or a message; halves of surrogate pairs have no UTF-8.
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

/** "a, b or c" */
export function either(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)!}`;
}
