/**
 * Which shared libraries a program needs, from its ELF file (System V ABI, "Dynamic Linking"): ldd would run the
 * program's own loader, which a machine of another architecture cannot.
 */
import { ImageBuildError } from "../errors.ts";

/** p_type of program headers. */
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
/** d_tag of dynamic entries. */
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/** What an ELF file asks of the system that runs it. */
export interface DynamicNeeds {
  /** The loader's absolute path; libraries name none. */
  interpreter: string | undefined;
  /** Names of libraries ("libc.so.6"), in the file's order. */
  libraries: string[];
}

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

/** Reads a 32-bit little-endian ELF file. Throws an ImageBuildError that names `path` on anything else. */
export function dynamicNeeds(path: string, elf: Uint8Array): DynamicNeeds {
  const bytes = Buffer.from(elf.buffer, elf.byteOffset, elf.byteLength);
  try {
    const segments = readSegments(bytes);
    const interp = segments.find(({ type }) => type === PT_INTERP);
    return {
      interpreter: interp && text(bytes, interp.offset),
      libraries: readNeeded(bytes, segments),
    };
  } catch (error) {
    throw new ImageBuildError(`${path} is damaged or no ELF file for i386.`, { cause: error });
  }
}

/**
 * All libraries that `programs` (contents by path) need, and those that these need, by name. `find` gives a library's
 * contents. Throws an ImageBuildError that says who needs what cannot be found; the loader has to be in /lib.
 */
export async function libraryClosure(
  programs: ReadonlyMap<string, Uint8Array>,
  find: (library: string) => Promise<Uint8Array | undefined>,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const open = [...programs];
  for (const [path, bytes] of open) {
    const { interpreter, libraries } = dynamicNeeds(path, bytes);
    for (const name of [...libraries, ...(interpreter === undefined ? [] : [loaderName(interpreter)])]) {
      if (found.has(name)) continue;
      const library = await find(name);
      if (library === undefined) {
        throw new ImageBuildError(`None of the packages has ${name}, which ${path} needs.`);
      }
      found.set(name, library);
      open.push([name, library]);
    }
  }
  return found;
}

function loaderName(interpreter: string): string {
  const name = /^\/lib\/([^/]+)$/.exec(interpreter)?.[1];
  if (name === undefined)
    throw new ImageBuildError(`A program wants its loader at ${interpreter}, not in /lib.`);
  return name;
}

function readSegments(bytes: Buffer): Segment[] {
  const isElf32 = bytes.readUInt32BE(0) === 0x7f454c46 && bytes.readUInt16BE(4) === 0x0101;
  if (!isElf32) throw new RangeError("no 32-bit little-endian ELF file");
  const [table, entrySize, count] = [bytes.readUInt32LE(28), bytes.readUInt16LE(42), bytes.readUInt16LE(44)];
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * entrySize;
    const [type, offset, address, size] = [0, 4, 8, 16].map((field) => bytes.readUInt32LE(at + field));
    return { type: type!, offset: offset!, address: address!, size: size! };
  });
}

function readNeeded(bytes: Buffer, segments: readonly Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) return [];
  const needed: number[] = [];
  let strings: number | undefined;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 8) {
    const [tag, value] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) needed.push(value);
    if (tag === DT_STRTAB) strings = value;
  }
  if (needed.length === 0) return [];
  const table = strings;
  const home = segments.find(
    ({ type, address, size }) =>
      type === PT_LOAD && table !== undefined && address <= table && table < address + size,
  );
  if (table === undefined || !home) throw new RangeError("no string table");
  return needed.map((offset) => text(bytes, home.offset + (table - home.address) + offset));
}

function text(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  if (start >= bytes.length || end < 0) throw new RangeError("a string is outside of the file");
  return bytes.toString("latin1", start, end);
}
