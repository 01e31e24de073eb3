/** A structure in a buffer, with its fields in order. */
export interface DecodedLayer {
  title: string;
  fields: DecodedField[];
}

export interface DecodedField {
  name: string;
  /** Where it lies in the bytes that were decoded. */
  offset: number;
  /** Bytes. */
  length: number;
  value: string;
  /** What the value says, in words. */
  meaning?: string;
  /** Of virtio 1.3. */
  section?: string;
}

/** How a value is shown: as text, or with what it means. */
export type Shown = string | { value: string; meaning: string | undefined };

/** What stands for the field in which the bytes end. */
const CUT_SHORT = "cut short";

/**
 * Reads the fields of one structure, one after the other, as far as there are bytes: the field in which they end is shown as cut
 * short, and after it every read gives undefined.
 */
export class LayerReader {
  readonly layer: DecodedLayer;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #little: boolean;
  readonly #section: string | undefined;
  #at: number;
  #isCut = false;

  /** @param at where it begins; `end` where it ends at the latest; `section` of virtio 1.3, whose fields are little-endian */
  constructor(title: string, bytes: Uint8Array, at: number, end = bytes.length, section?: string) {
    this.layer = { title, fields: [] };
    this.#bytes = bytes;
    this.#at = Math.min(at, bytes.length);
    this.#end = Math.min(end, bytes.length);
    this.#little = section !== undefined;
    this.#section = section;
  }

  /** Where the next field begins. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#isCut ? 0 : Math.max(0, this.#end - this.#at);
  }

  number(name: string, width: 1 | 2 | 4, show: (value: number) => Shown = String): number | undefined {
    const at = this.#take(name, width);
    if (at === undefined) return undefined;
    let value = 0;
    for (let i = 0; i < width; i++)
      value = value * 256 + this.#bytes[this.#little ? at + width - 1 - i : at + i]!;
    this.#add(name, at, width, show(value));
    return value;
  }

  /** 64 bits. */
  wide(name: string, show: (value: bigint) => Shown = String): bigint | undefined {
    const at = this.#take(name, 8);
    if (at === undefined) return undefined;
    const { buffer, byteOffset } = this.#bytes;
    const value = new DataView(buffer, byteOffset + at, 8).getBigUint64(0, this.#little);
    this.#add(name, at, 8, show(value));
    return value;
  }

  raw(name: string, length: number, show: (bytes: Uint8Array) => Shown): Uint8Array | undefined {
    const at = this.#take(name, length);
    if (at === undefined) return undefined;
    const bytes = this.#bytes.subarray(at, at + length);
    this.#add(name, at, length, show(bytes));
    return bytes;
  }

  /** All that is left, if there is anything. */
  rest(name: string, show: (bytes: Uint8Array) => Shown): void {
    if (this.left > 0) this.raw(name, this.left, show);
  }

  /** Goes past bytes without showing them. */
  skip(length: number): void {
    if (this.left < length) this.#isCut = true;
    else this.#at += length;
  }

  #take(name: string, length: number): number | undefined {
    if (this.#isCut) return undefined;
    const at = this.#at;
    if (length > this.left) {
      if (this.left > 0) this.#add(name, at, this.left, CUT_SHORT);
      this.#isCut = true;
      return undefined;
    }
    this.#at += length;
    return at;
  }

  #add(name: string, offset: number, length: number, shown: Shown): void {
    const { value, meaning } = typeof shown === "string" ? { value: shown, meaning: undefined } : shown;
    const section = this.#section;
    this.layer.fields.push({
      name,
      offset,
      length,
      value,
      ...(meaning !== undefined && { meaning }),
      ...(section !== undefined && { section }),
    });
  }
}

/** A number by the name that a table has for it. */
export function named(names: Readonly<Record<number, string>>): (value: number) => Shown {
  return (value) => ({ value: String(value), meaning: names[value] ?? "not known" });
}

/** Bits by their names, in the order of the table. */
export function flags(
  names: readonly (readonly [bit: number, name: string])[],
  width = 2,
): (value: number) => Shown {
  return (value) => {
    const set = names.filter(([bit]) => value & bit).map(([, name]) => name);
    return { value: hex(value, width), meaning: set.length > 0 ? set.join(", ") : "none" };
  };
}

/** @param digits at least */
export function hex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

export function hexShown(digits: number): (value: number) => string {
  return (value) => hex(value, digits);
}

export function count(length: number, one: string): string {
  return length === 1 ? `1 ${one}` : `${length} ${one}s`;
}

export const sizeShown = (bytes: Uint8Array): string => count(bytes.length, "byte");
