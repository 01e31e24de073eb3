import type { RegisterView } from "./view/types.ts";

/** One field of a device's configuration space, little-endian (2.5). */
export interface ConfigField {
  name: string;
  /** Bytes. */
  width: 1 | 2 | 4 | 8;
  /** Where the field starts, if not right after the one before it. */
  offset?: number;
  /** The driver may write it; `legacy`: through a legacy interface only. */
  writable?: boolean | "legacy";
}

/** A device's configuration space (2.5): a declared layout over some bytes. */
export class ConfigSpace {
  readonly fields: readonly Required<ConfigField>[];
  readonly size: number;
  readonly #view: DataView;

  constructor(fields: readonly ConfigField[]) {
    let end = 0;
    this.fields = fields.map((field) => {
      const offset = field.offset ?? end;
      end = offset + field.width;
      return { name: field.name, width: field.width, offset, writable: field.writable ?? false };
    });
    this.size = end;
    this.#view = new DataView(new ArrayBuffer(end));
  }

  get(name: string): number {
    const { offset, width } = this.#field(name);
    return width === 8 ? Number(this.#view.getBigUint64(offset, true)) : this.read(offset, width);
  }

  set(name: string, value: number): void {
    const { offset, width } = this.#field(name);
    if (width === 8) this.#view.setBigUint64(offset, BigInt(value), true);
    else this.#store(offset, width, value);
  }

  /** Every field as it is, for people. */
  look(): RegisterView[] {
    return this.fields.map(({ name, offset, width }) => ({
      name: `config.${name}`,
      offset,
      width,
      value: this.get(name),
    }));
  }

  /** The name of the field at `offset`, for traces. */
  nameAt(offset: number): string {
    const field = this.fields.find((field) => offset >= field.offset && offset < field.offset + field.width);
    return field?.name ?? "reserved";
  }

  /** Whether a driver may access so much at once (4.1.3.1, 4.2.2.2): a whole field, or one of 64 bits in two halves. */
  natural(offset: number, width: number): boolean {
    const field = this.fields.find((field) => offset >= field.offset && offset < field.offset + field.width);
    if (!field) return false;
    return width === Math.min(field.width, 4) && (offset - field.offset) % width === 0;
  }

  /** Reads 1, 2 or 4 bytes; what lies outside reads as 0. */
  read(offset: number, width: number): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) {
      value = value * 256 + (offset + i < this.size ? this.#view.getUint8(offset + i) : 0);
    }
    return value;
  }

  /** A driver's write; returns the field, or undefined when nothing there can be written. */
  write(offset: number, width: number, value: number, legacy = false): Required<ConfigField> | undefined {
    const field = this.fields.find(
      (field) => offset >= field.offset && offset + width <= field.offset + field.width,
    );
    if (!field?.writable || (field.writable === "legacy" && !legacy)) return undefined;
    this.#store(offset, width, value);
    return field;
  }

  #store(offset: number, width: number, value: number): void {
    for (let i = 0; i < width; i++) this.#view.setUint8(offset + i, Math.floor(value / 256 ** i) & 0xff);
  }

  #field(name: string): Required<ConfigField> {
    const field = this.fields.find((field) => field.name === name);
    if (!field) throw new Error(`no configuration field ${name}`);
    return field;
  }
}
