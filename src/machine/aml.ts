/** ACPI Machine Language, as much as our DSDT needs (ACPI 6.5, 20.2). Every function returns encoded bytes. */
export type Aml = number[];

export function name(path: string, value: Aml): Aml {
  return [0x08, ...nameString(path), ...value];
}

export function scope(path: string, ...body: Aml[]): Aml {
  return [0x10, ...withLength([...nameString(path), ...body.flat()])];
}

export function device(path: string, ...body: Aml[]): Aml {
  return [0x5b, 0x82, ...withLength([...nameString(path), ...body.flat()])];
}

export function method(path: string, argumentCount: number, ...body: Aml[]): Aml {
  return [0x14, ...withLength([...nameString(path), argumentCount, ...body.flat()])];
}

export function returns(value: Aml): Aml {
  return [0xa4, ...value];
}

export function ifTrue(condition: Aml, ...body: Aml[]): Aml {
  return [0xa0, ...withLength([...condition, ...body.flat()])];
}

/** Stores the method's first argument in `path`. */
export function storeArgument(path: string): Aml {
  return [0x70, 0x68, ...nameString(path)];
}

export function reference(path: string): Aml {
  return nameString(path);
}

export function integer(value: number): Aml {
  if (value === 0) return [0x00];
  if (value === 1) return [0x01];
  if (value <= 0xff) return [0x0a, value];
  return value <= 0xffff ? [0x0b, ...le(value, 2)] : [0x0c, ...le(value, 4)];
}

export function text(value: string): Aml {
  return [0x0d, ...new TextEncoder().encode(value), 0];
}

export function packageOf(...elements: Aml[]): Aml {
  return [0x12, ...withLength([elements.length, ...elements.flat()])];
}

/** A compressed EISA identifier such as `PNP0A03` (19.6.37). */
export function eisaId(id: string): Aml {
  const letters = [0, 1, 2].map((i) => id.charCodeAt(i) - 0x40);
  const vendor = (letters[0]! << 10) | (letters[1]! << 5) | letters[2]!;
  const product = parseInt(id.slice(3), 16);
  return [0x0c, vendor >>> 8, vendor & 0xff, product >>> 8, product & 0xff];
}

/** Resource descriptors (6.4) as a buffer, closed by an end tag. */
export function resources(...descriptors: Aml[]): Aml {
  const bytes = [...descriptors.flat(), 0x79, 0];
  return [0x11, ...withLength([...integer(bytes.length), ...bytes])];
}

/** Ports at fixed addresses (6.4.2.5). */
export function ioPorts(start: number, length: number): Aml {
  return [0x47, 1, ...le(start, 2), ...le(start, 2), 1, length];
}

/** A window of addresses that a bridge passes on (6.4.3.5). */
export function window(kind: "memory" | "io" | "bus", start: number, end: number): Aml {
  const type = { memory: 0, io: 1, bus: 2 }[kind];
  const specific = { memory: 1, io: 3, bus: 0 }[kind]; // read-write; entire range
  const bytes = kind === "memory" ? 4 : 2;
  const values = [0, start, end - 1, 0, end - start].flatMap((value) => le(value, bytes));
  return [bytes === 4 ? 0x87 : 0x88, ...le(3 + values.length, 2), type, 0x0c, specific, ...values];
}

/** Memory at a fixed address, read-write (6.4.3.4). */
export function memory32(start: number, length: number): Aml {
  return [0x86, 9, 0, 1, ...le(start, 4), ...le(length, 4)];
}

/** A level-triggered, active-high, shareable interrupt (6.4.3.6). */
export function interrupt(gsi: number): Aml {
  return [0x89, 6, 0, 0b01001, 1, ...le(gsi, 4)];
}

/** PkgLength (20.2.4) in front of what it counts, itself included. */
function withLength(body: Aml): Aml {
  for (let bytes = 1; ; bytes++) {
    const length = body.length + bytes;
    if (bytes === 1 && length < 0x40) return [length, ...body];
    if (bytes > 1 && length < 2 ** (4 + 8 * (bytes - 1))) {
      return [((bytes - 1) << 6) | (length & 15), ...le(Math.floor(length / 16), bytes - 1), ...body];
    }
  }
}

/** A name or path: `_S5_`, `\\_SB_`, `\\_SB_.PCI0`; each segment four characters. */
function nameString(path: string): Aml {
  const root = path.startsWith("\\");
  const segments = path.slice(root ? 1 : 0).split(".");
  const prefix = segments.length === 2 ? [0x2e] : [];
  return [...(root ? [0x5c] : []), ...prefix, ...new TextEncoder().encode(segments.join(""))];
}

function le(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) & 0xff);
}
