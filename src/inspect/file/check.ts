import { RecordingError } from "./format.ts";

/** Turns what JSON had into a value of a known shape; throws RecordingError, which names the field. */
export type Check<T> = (value: unknown, field: string) => T;

type Fields = Record<string, Check<unknown>>;
type Checked<F extends Fields> = { [K in keyof F]: F[K] extends Check<infer T> ? T : never };

/** An object with exactly these fields kept; others are dropped, for they may be from a later version. */
export function record<F extends Fields>(fields: F): Check<Checked<F>> {
  const entries = Object.entries(fields);
  return (value, field) => {
    if (typeof value !== "object" || value === null) throw wrong(field, "an object");
    const kept: Record<string, unknown> = {};
    for (const [name, check] of entries) {
      // Own ones only: "constructor" is in every object.
      const inside = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
      const checked = check(inside, name);
      if (checked !== undefined) kept[name] = checked;
    }
    return kept as Checked<F>;
  };
}

export function list<T>(check: Check<T>, most: number): Check<T[]> {
  return (value, field) => {
    if (!Array.isArray(value) || value.length > most) throw wrong(field, `a list of at most ${most}`);
    return value.map((item) => check(item, field));
  };
}

export function whole(from = 0, to = Number.MAX_SAFE_INTEGER): Check<number> {
  return (value, field) => {
    if (Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to) {
      return value as number;
    }
    throw wrong(field, `a whole number from ${from} to ${to}`);
  };
}

/** Not negative, with fractions. */
export function quantity(to = Number.MAX_SAFE_INTEGER): Check<number> {
  return (value, field) => {
    if (typeof value === "number" && value >= 0 && value <= to) return value;
    throw wrong(field, `a number from 0 to ${to}`);
  };
}

/** @param most characters */
export function text(most: number): Check<string> {
  return (value, field) => {
    if (typeof value === "string" && value.length <= most) return value;
    throw wrong(field, `a text of at most ${most} characters`);
  };
}

export const truth: Check<boolean> = (value, field) => {
  if (typeof value === "boolean") return value;
  throw wrong(field, "true or false");
};

export function oneOf<T extends string>(...values: readonly T[]): Check<T> {
  return (value, field) => {
    if (values.includes(value as T)) return value as T;
    throw wrong(field, values.join(" or "));
  };
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, field) => (value === undefined ? undefined : check(value, field));
}

/** Bytes as hexadecimal digits. */
export function bytes(most: number): Check<Uint8Array<ArrayBuffer>> {
  return (value, field) => {
    const odd = typeof value !== "string" || value.length > 2 * most || value.length % 2 === 1;
    if (odd || !HEX.test(value)) throw wrong(field, `at most ${most} bytes in hexadecimal digits`);
    const all = new Uint8Array(value.length / 2);
    for (let i = 0; i < all.length; i++) {
      all[i] = (DIGIT[value.charCodeAt(2 * i)]! << 4) | DIGIT[value.charCodeAt(2 * i + 1)]!;
    }
    return all;
  };
}

export function hex(all: Uint8Array): string {
  let digits = "";
  for (const byte of all) digits += PAIR[byte]!;
  return digits;
}

const HEX = /^[0-9a-f]*$/;
const PAIR = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const DIGIT = new Uint8Array(128);
for (const [value, digit] of Array.from("0123456789abcdef").entries()) DIGIT[digit.charCodeAt(0)] = value;

function wrong(field: string, expected: string): RecordingError {
  return new RecordingError(`"${field}" is not ${expected}`);
}
