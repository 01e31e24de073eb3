/** Puts the root file system together: our files, busybox with its links, other programs, and kernel modules. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { ImageBuildError } from "../errors.ts";
import { writeCpio, type CpioEntry } from "../pack/cpio.ts";
import {
  closure,
  moduleName,
  modulesAlias,
  modulesDep,
  modulesSoftdep,
  readModule,
  withoutSignature,
  type Module,
} from "../pack/modules.ts";
import { run } from "../run.ts";
import { applets } from "./applets.ts";

export interface InitramfsInput {
  /** Folder with our own files. */
  rootfs: string;
  /** Files of ours that do not come from that folder. */
  shared?: readonly CpioEntry[];
  /** Modules that go in, with all that they depend on. */
  wantedModules: readonly string[];
  /**
   * Without, Linux does not verify the modules, which takes 40 million instructions for each and 270 for each byte, and says that it
   * is tainted.
   */
  signatures: boolean;
  /** Which of busybox's programs get a link in bin/: its shell finds the others, too, once /proc is mounted. */
  links: "all" | readonly string[];
  /** The busybox binary. */
  busybox: string;
  /** Programs in bin/ and libraries in lib/; they stand before busybox's of the same name. */
  tools: readonly CpioEntry[];
  /** lib/modules/RELEASE of the kernel package. */
  modules: string;
  release: string;
  /** Modules, by name, that take the place of the kernel package's own. */
  replacements?: ReadonlyMap<string, Uint8Array>;
  /** Seconds since 1970, for all files. */
  mtime: number;
}

/** The initramfs as an uncompressed cpio archive. */
export async function makeInitramfs(input: InitramfsInput): Promise<Uint8Array> {
  const busybox = await readFile(input.busybox);
  const tools = new Set(input.tools.map(({ path }) => path));
  const entries: CpioEntry[] = [
    ...["bin", "dev", "etc", "lib", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var"].map((path) =>
      directory(path, path === "tmp" ? 0o1777 : path === "root" ? 0o700 : 0o755),
    ),
    ...["sbin", "usr/bin", "usr/sbin"].map((path): CpioEntry => ({
      type: "symlink",
      path,
      target: path.startsWith("usr/") ? "../bin" : "bin",
    })),
    // What /init needs before devtmpfs is there.
    characterDevice("dev/console", 5, 1),
    characterDevice("dev/null", 1, 3),
    characterDevice("dev/kmsg", 1, 11),
    { type: "file", path: "bin/busybox", mode: 0o755, data: busybox },
    ...input.tools,
    ...applets(busybox)
      .filter(
        (name) =>
          name !== "busybox" &&
          !tools.has(`bin/${name}`) &&
          (input.links === "all" || input.links.includes(name)),
      )
      .map((name): CpioEntry => ({ type: "symlink", path: `bin/${name}`, target: "busybox" })),
    ...(await moduleEntries(input)),
  ];
  const known = new Set(entries.map(({ path }) => path));
  for (const entry of [...(await ownEntries(input.rootfs)), ...(input.shared ?? [])]) {
    if (entry.type !== "directory" || !known.has(entry.path)) entries.push(entry);
  }
  return writeCpio(entries, input.mtime);
}

function directory(path: string, mode = 0o755): CpioEntry {
  return { type: "directory", path, mode };
}

function characterDevice(path: string, major: number, minor: number): CpioEntry {
  return { type: "character-device", path, mode: 0o600, major, minor };
}

/** Our files; of their permissions only the executable bit counts, as in git. */
async function ownEntries(rootfs: string): Promise<CpioEntry[]> {
  const found = await readdir(rootfs, { recursive: true, withFileTypes: true });
  const paths = found.map((entry) => ({ entry, path: relative(rootfs, join(entry.parentPath, entry.name)) }));
  paths.sort((a, b) => (a.path < b.path ? -1 : 1));
  const entries: CpioEntry[] = [];
  for (const { entry, path } of paths) {
    if (entry.isDirectory()) {
      entries.push(directory(path));
    } else {
      const file = join(rootfs, path);
      const mode = ((await stat(file)).mode & 0o100) !== 0 ? 0o755 : 0o644;
      entries.push({ type: "file", path, mode, data: await readFile(file) });
    }
  }
  return entries;
}

/** The modules with all that they depend on, and the files by which modprobe finds them. */
async function moduleEntries({
  modules: folder,
  release,
  wantedModules,
  signatures,
  replacements,
}: InitramfsInput): Promise<CpioEntry[]> {
  const { modules, contents } = await readModules(folder, wantedModules, replacements);
  const base = `lib/modules/${release}`;
  const text = (name: string, data: string): CpioEntry => ({
    type: "file",
    path: `${base}/${name}`,
    mode: 0o644,
    data: Buffer.from(data),
  });
  return [
    ...parents(modules.map(({ path }) => `${base}/${path}`)).map((path) => directory(path)),
    ...modules.map(({ name, path }): CpioEntry => ({
      type: "file",
      path: `${base}/${path}`,
      mode: 0o644,
      data: signatures ? contents.get(name)! : withoutSignature(path, contents.get(name)!),
    })),
    text("modules.dep", modulesDep(modules)),
    text("modules.alias", modulesAlias(modules)),
    text("modules.softdep", modulesSoftdep(modules)),
  ];
}

/**
 * Reads the wanted modules and what they need out of lib/modules/RELEASE, but none of the thousands of others.
 * `replacements`, by name, take the place of the folder's.
 */
export async function readModules(
  folder: string,
  wanted: readonly string[],
  replacements: ReadonlyMap<string, Uint8Array> = new Map<string, Uint8Array>(),
): Promise<{ modules: Module[]; contents: Map<string, Uint8Array> }> {
  const files = (await readdir(folder, { recursive: true }).catch(() => [])).filter((path) =>
    /\.ko(\.xz)?$/.test(path),
  );
  if (files.length === 0) throw new ImageBuildError(`The kernel package has no modules in ${folder}.`);
  const byName = new Map(files.map((path) => [moduleName(path), path]));
  // Stays out of the image: busybox's modprobe would read its thousands of lines every time.
  const builtinList = await readFile(join(folder, "modules.builtin"), "utf8");
  const builtin = new Set(builtinList.split("\n").filter(Boolean).map(moduleName));
  const known = new Map<string, Module>();
  const contents = new Map<string, Uint8Array>();
  const queue = wanted.map(moduleName);
  for (const name of queue) {
    const path = byName.get(name);
    if (path === undefined || known.has(name)) continue; // closure() tells what is missing
    const bytes = replacements.get(name) ?? (await readCompressed(join(folder, path)));
    const module = readModule(path.replace(/\.xz$/, ""), bytes);
    known.set(name, module);
    contents.set(name, bytes);
    queue.push(...module.depends);
  }
  return { modules: closure(wanted, known, builtin), contents };
}

async function readCompressed(path: string): Promise<Uint8Array> {
  return path.endsWith(".xz") ? (await run("xz", ["--decompress", "--stdout", path])).stdout : readFile(path);
}

/** All directories above these paths, the upper ones first, without "lib". */
function parents(paths: string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const names = path.split("/");
    for (let length = 2; length < names.length; length++) folders.add(names.slice(0, length).join("/"));
  }
  return [...folders];
}
