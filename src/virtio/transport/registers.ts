import type { RegisterView } from "../view/types.ts";

/** One register of a device of type T. */
export interface Register<T> {
  name: string;
  offset: number;
  /** Bytes. */
  width: 1 | 2 | 4;
  /** Absent: reads as 0. The value is unsigned or signed, as is handy. */
  read?: (target: T) => number;
  /** Absent: writes are ignored (and reported as a violation). */
  write?: (target: T, value: number) => void;
  /** Where a read changes something: the value without that, for those who only look. */
  peek?: (target: T) => number;
}

/** Why an access fits no register. */
export interface AccessFault {
  fault: "described" | "width" | "readOnly" | "writeOnly";
  what: string;
}

/** A register file as data: reads, writes and the names in traces come from one table. */
export class RegisterFile<T> {
  readonly all: readonly Register<T>[];
  readonly #at: (Register<T> | undefined)[] = [];

  constructor(registers: readonly Register<T>[], size: number) {
    this.all = registers;
    this.#at.length = size;
    this.#at.fill(undefined);
    for (const register of registers)
      this.#at.fill(register, register.offset, register.offset + register.width);
  }

  /** The register that covers the byte at `offset`. */
  at(offset: number): Register<T> | undefined {
    return this.#at[offset];
  }

  /** What every register is now, by `prefix` and its name; nothing changes by it. */
  look(target: T, prefix = ""): RegisterView[] {
    return this.all.map(({ name, offset, width, read, peek = read }) => ({
      name: `${prefix}${name}`,
      offset,
      width,
      value: peek && peek(target) >>> 0,
    }));
  }

  /** Reads `width` bytes; a part of a register, or several of them, is put together from whole registers. */
  read(target: T, offset: number, width: number): number {
    const register = this.#at[offset];
    if (register?.offset === offset && register.width === width) return (register.read?.(target) ?? 0) >>> 0;
    let value = 0;
    for (let i = 0; i < width;) {
      const part = this.#at[offset + i];
      const start = part ? offset + i - part.offset : 0;
      const length = part ? Math.min(part.width - start, width - i) : 1;
      const bits =
        ((part?.read?.(target) ?? 0) >>> (8 * start)) & (length === 4 ? -1 : (1 << (8 * length)) - 1);
      value |= bits << (8 * i);
      i += length;
    }
    return value >>> 0;
  }

  /** What is wrong with a read: it is not of one whole register, or that is write-only. */
  readFault(offset: number, width: number): AccessFault | undefined {
    const register = this.#at[offset];
    if (register?.read && register.offset === offset && register.width === width) return undefined;
    const where = `a read of ${width} bytes at offset 0x${offset.toString(16)}`;
    if (!register) return { fault: "described", what: `${where}, where there is no register` };
    if (!register.read) return { fault: "writeOnly", what: `a read of write-only ${register.name}` };
    return { fault: "width", what: `${where} of ${register.name}, ${register.width} bytes wide` };
  }

  /** Writes a whole register; returns a complaint when the access fits none or it is read-only. */
  write(target: T, offset: number, width: number, value: number): AccessFault | undefined {
    const register = this.#at[offset];
    const where = `a write of ${width} bytes at offset 0x${offset.toString(16)}`;
    if (!register) return { fault: "described", what: `${where}, where there is no register` };
    if (register.offset !== offset || register.width !== width) {
      return { fault: "width", what: `${where} to ${register.name}, ${register.width} bytes wide` };
    }
    if (!register.write) return { fault: "readOnly", what: `a write to read-only ${register.name}` };
    register.write(target, value >>> 0);
    return undefined;
  }
}
