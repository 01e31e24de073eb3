/** Programs of Debian for a guest that has none of its packages: each with the libraries that it is linked with. */
import { mkdtemp, mkdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrivateApt } from "../../images/apt/private-apt.ts";
import { withLock } from "../../images/lock.ts";
import type { CpioEntry } from "../../images/pack/cpio.ts";
import { libraryClosure } from "../../images/pack/libraries.ts";
import { acquirePackages, unpackTogether } from "../../images/packages.ts";
import { streamProgress } from "../../images/progress.ts";

export const CACHE = join(import.meta.dirname, "../../.cache/images");
const RELEASE = "bookworm";
const ARCHITECTURE = "i386";
const LIBRARY_FOLDERS = ["lib", "lib/i386-linux-gnu", "usr/lib/i386-linux-gnu"];

export interface GuestProgram {
  /** Also its folder in the cache. */
  name: string;
  /** Its package, and those of all that it is linked with, directly or not. */
  packages: readonly string[];
  /** Where the program is in them. */
  path: string;
  /** Other files of the packages, by the name that they get. */
  files?: Readonly<Record<string, string>>;
}

/**
 * The program as `bin/NAME`, its libraries in `lib/` and the other files, for an archive; `commandIn` says how to run it. The
 * packages are downloaded once and kept with those of the images.
 */
export async function programEntries(program: GuestProgram): Promise<CpioEntry[]> {
  const cacheFolder = join(CACHE, program.name);
  await mkdir(cacheFolder, { recursive: true });
  let entries: CpioEntry[] = [];
  await withLock(
    join(CACHE, "lock"),
    () => undefined,
    async () => void (entries = await fetchEntries(program, cacheFolder)),
  );
  return entries;
}

/** The command that runs a program from the folder where its archive was unpacked. */
export function commandIn(folder: string, { name }: GuestProgram): string {
  return `${folder}/lib/ld-linux.so.2 --library-path ${folder}/lib ${folder}/bin/${name}`;
}

async function fetchEntries(
  { name, packages, path, files = {} }: GuestProgram,
  cacheFolder: string,
): Promise<CpioEntry[]> {
  const scratchFolder = await mkdtemp(join(tmpdir(), `ringside-${name}-`));
  try {
    const acquired = await acquirePackages(
      {
        apt: new PrivateApt(join(CACHE, "apt"), RELEASE, ARCHITECTURE),
        toolsApt: () => Promise.reject(new Error("nothing is built")),
        refresh: false,
        progress: streamProgress(process.stderr, ""),
        name,
        publicFolder: scratchFolder,
        cacheFolder,
        scratchFolder,
      },
      { wanted: packages, resolve: (apt) => apt.show(packages), licence: () => "not distributed" },
    );
    await unpackTogether(acquired, scratchFolder);
    const program = await readFile(join(scratchFolder, path));
    const libraries = await libraryClosure(new Map([[`bin/${name}`, program]]), (library) =>
      firstOf(LIBRARY_FOLDERS.map((folder) => join(scratchFolder, folder, library))),
    );
    const others = await Promise.all(
      Object.entries(files).map(async ([as, from]) => file(as, await readFile(join(scratchFolder, from)))),
    );
    return [
      { type: "directory", path: "bin", mode: 0o755 },
      { type: "directory", path: "lib", mode: 0o755 },
      file(`bin/${name}`, program),
      ...others,
      ...[...libraries].map(([library, data]) => file(`lib/${library}`, data)),
    ];
  } finally {
    await rm(scratchFolder, { recursive: true, force: true });
  }
}

function file(path: string, data: Uint8Array): CpioEntry {
  return { type: "file", path, mode: 0o755, data };
}

async function firstOf(paths: readonly string[]): Promise<Uint8Array | undefined> {
  for (const path of paths) {
    const data = await readFile(path).catch(() => undefined);
    if (data) return data;
  }
  return undefined;
}
