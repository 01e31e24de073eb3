/**
 * What depmod does, for the few modules that go into an image: Debian's package leaves modules.dep to the machine
 * it is installed on, and depmod may not be there. The facts are in each module's own .modinfo section.
 */
import { ImageBuildError } from "../errors.ts";

export interface Module {
  /** As the kernel calls it: always with "_". */
  name: string;
  /** Relative to /lib/modules/RELEASE, without a compression suffix: "kernel/drivers/virtio/virtio.ko". */
  path: string;
  /** Direct dependencies, by name. */
  depends: string[];
  /** Wildcards by which the kernel asks for it: "virtio:d00000002v*", "fs-ext4". */
  aliases: string[];
  /** Names or aliases that the module wants loaded before it, though it has no symbol from them. */
  softPre: string[];
}

/** Module names are the same with "-" and "_". */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.replace(/\.ko(\.[a-z0-9]+)?$/, "").replaceAll("-", "_");
}

/** Reads a module's .modinfo. Throws an ImageBuildError if the file is no 32-bit ELF object or lacks one. */
export function readModule(path: string, elf: Uint8Array): Module {
  const info = modinfo(path, elf);
  const values = (key: string): string[] =>
    info.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  return {
    name: moduleName(path),
    path,
    depends: values("depends").flatMap((list) => list.split(",").filter(Boolean).map(moduleName)),
    aliases: values("alias"),
    softPre: values("softdep").flatMap(parseSoftPre),
  };
}

/** What ends a signed module (linux/module_signature.h); before it are 12 bytes, of which the last 4 say how long the signature is. */
const SIGNED = Buffer.from("~Module signature appended~\n");

/** The module without its signature; as it is when it has none. Throws an ImageBuildError if that is longer than the module. */
export function withoutSignature(path: string, elf: Uint8Array): Uint8Array {
  const bytes = Buffer.from(elf.buffer, elf.byteOffset, elf.byteLength);
  const end = bytes.length - SIGNED.length;
  if (end < 12 || !bytes.subarray(end).equals(SIGNED)) return elf;
  const length = end - 12 - bytes.readUInt32BE(end - 4);
  if (length <= 0) throw new ImageBuildError(`The signature of the kernel module ${path} is damaged.`);
  return elf.subarray(0, length);
}

/** "pre: a b post: c" gives a and b. */
function parseSoftPre(text: string): string[] {
  const pre = /\bpre:\s*([^:]*?)(?=\s*(?:post:|$))/.exec(text);
  return pre?.[1]?.split(/\s+/).filter(Boolean) ?? [];
}

function modinfo(path: string, elf: Uint8Array): string[] {
  const damaged = (): ImageBuildError =>
    new ImageBuildError(`The kernel module ${path} is damaged or not for i386.`);
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.length < 52 || view.getUint32(0, false) !== 0x7f454c46 || view.getUint8(4) !== 1) throw damaged();
  const [table, entrySize, count, namesIndex] = [
    view.getUint32(32, true),
    view.getUint16(46, true),
    view.getUint16(48, true),
    view.getUint16(50, true),
  ];
  if (entrySize < 40 || table + entrySize * count > elf.length || namesIndex >= count) throw damaged();
  const section = (index: number): Uint8Array => {
    const offset = view.getUint32(table + index * entrySize + 16, true);
    const size = view.getUint32(table + index * entrySize + 20, true);
    if (offset + size > elf.length) throw damaged();
    return elf.subarray(offset, offset + size);
  };
  const names = Buffer.from(section(namesIndex)).toString("latin1");
  for (let index = 0; index < count; index++) {
    const nameOffset = view.getUint32(table + index * entrySize, true);
    if (names.slice(nameOffset, names.indexOf("\0", nameOffset)) !== ".modinfo") continue;
    return Buffer.from(section(index)).toString("utf8").split("\0").filter(Boolean);
  }
  throw damaged();
}

/**
 * `wanted` and all that they need, each after its dependencies. Throws an ImageBuildError that names what the kernel
 * package lacks. `all` is keyed by name; `builtin` has the names that the kernel itself contains.
 */
export function closure(
  wanted: readonly string[],
  all: ReadonlyMap<string, Module>,
  builtin: ReadonlySet<string> = new Set(),
): Module[] {
  const order = new Map<string, Module>();
  const open = new Set<string>();
  const visit = (request: string, neededBy: string | undefined): void => {
    const name = moduleName(request);
    if (order.has(name) || builtin.has(name)) return;
    const module = all.get(name);
    if (module === undefined) {
      throw new ImageBuildError(
        `The kernel package has no module "${name}"${neededBy ? `, which "${neededBy}" needs` : ""}.`,
      );
    }
    if (open.has(name)) throw new ImageBuildError(`The kernel module "${name}" needs itself.`);
    open.add(name);
    for (const dependency of module.depends) visit(dependency, name);
    open.delete(name);
    order.set(name, module);
  };
  for (const name of wanted) visit(name, undefined);
  return [...order.values()];
}

/**
 * modules.dep: each module with all that must be loaded before it, the last first, as depmod writes it. A dependency
 * that is not among `modules` is taken to be built in.
 */
export function modulesDep(modules: readonly Module[]): string {
  const all = new Map(modules.map((module) => [module.name, module]));
  const builtin = new Set(modules.flatMap((module) => module.depends).filter((name) => !all.has(name)));
  const line = (module: Module): string => {
    const needed = closure(module.depends, all, builtin).reverse();
    return `${[`${module.path}:`, ...needed.map((each) => each.path)].join(" ")}\n`;
  };
  return modules.map(line).join("");
}

/** modules.alias: by what other names the kernel and a person may ask for a module. */
export function modulesAlias(modules: readonly Module[]): string {
  return modules
    .flatMap((module) => module.aliases.map((alias) => `alias ${alias} ${module.name}\n`))
    .join("");
}

/** modules.softdep, as depmod writes it. */
export function modulesSoftdep(modules: readonly Module[]): string {
  return modules
    .filter((module) => module.softPre.length > 0)
    .map((module) => `softdep ${module.name} pre: ${module.softPre.join(" ")}\n`)
    .join("");
}
