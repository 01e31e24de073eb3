/**
 * Debian's mke2fs and e2fsck, with the libraries that they need: busybox's mke2fs makes no journal, and it has no program
 * that repairs a file system.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageBuildError } from "../errors.ts";
import type { CpioEntry } from "../pack/cpio.ts";
import { libraryClosure } from "../pack/libraries.ts";

/** Where the programs and the libraries come from, with the SPDX expressions of their licences. */
export const fileSystemPackages: Readonly<Record<string, string>> = {
  e2fsprogs: "GPL-2.0-only",
  libext2fs2: "LGPL-2.0-only AND GPL-2.0-only",
  "libcom-err2": "GPL-2.0-only",
  libblkid1: "LGPL-2.1-or-later",
  libuuid1: "BSD-3-Clause",
  libc6: "LGPL-2.1-or-later",
};

/**
 * Programs, and their other names: mke2fs makes the kind of file system that it is called after. busybox's shell runs its
 * own mke2fs and mkfs.ext2 where these are called by name alone, whatever is in PATH.
 */
const PROGRAMS = {
  mke2fs: ["mkfs.ext2", "mkfs.ext3", "mkfs.ext4"],
  e2fsck: ["fsck.ext2", "fsck.ext3", "fsck.ext4"],
};

/** Folders of Debian's i386 packages with libraries. */
const LIBRARY_FOLDERS = ["lib", "lib/i386-linux-gnu", "usr/lib/i386-linux-gnu"];

/** The files for bin/ and lib/. `unpacked` has the folders of the packages above. */
export async function fileSystemTools(unpacked: readonly string[]): Promise<CpioEntry[]> {
  const programs = new Map<string, Uint8Array>();
  for (const name of Object.keys(PROGRAMS)) {
    const contents = await firstOf(unpacked.map((folder) => join(folder, "sbin", name)));
    if (!contents) throw new ImageBuildError(`The package e2fsprogs has no ${name}.`);
    programs.set(`bin/${name}`, contents);
  }
  const libraries = await libraryClosure(programs, (name) =>
    firstOf(unpacked.flatMap((folder) => LIBRARY_FOLDERS.map((below) => join(folder, below, name)))),
  );
  const file = (path: string, data: Uint8Array): CpioEntry => ({ type: "file", path, mode: 0o755, data });
  return [
    ...[...programs].map(([path, data]) => file(path, data)),
    ...Object.entries(PROGRAMS).flatMap(([target, names]) =>
      names.map((name): CpioEntry => ({ type: "symlink", path: `bin/${name}`, target })),
    ),
    ...[...libraries].map(([name, data]) => file(`lib/${name}`, data)),
  ];
}

async function firstOf(paths: readonly string[]): Promise<Uint8Array | undefined> {
  for (const path of paths) {
    const contents = await readFile(path).catch(() => undefined);
    if (contents) return contents;
  }
  return undefined;
}
