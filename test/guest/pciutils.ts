/** Debian's lspci for the guest: an archive on a disk, unpacked there with busybox's cpio. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrivateApt } from "../../images/apt/private-apt.ts";
import { withLock } from "../../images/lock.ts";
import { type CpioEntry, writeCpio } from "../../images/pack/cpio.ts";
import { libraryClosure } from "../../images/pack/libraries.ts";
import { acquirePackages, unpackTogether } from "../../images/packages.ts";
import { streamProgress } from "../../images/progress.ts";
import type { Guest } from "./support.ts";

const CACHE = join(import.meta.dirname, "../../.cache/images");
const RELEASE = "bookworm";
const ARCHITECTURE = "i386";

/** pciutils and what its lspci is linked with, directly or not; pci.ids has the names of vendors and devices. */
const PACKAGES = "pciutils pci.ids libpci3 libkmod2 libudev1 zlib1g liblzma5 libzstd1 libssl3 libc6".split(
  " ",
);
const LIBRARY_FOLDERS = ["lib", "lib/i386-linux-gnu", "usr/lib/i386-linux-gnu"];

/**
 * The options of a disk with lspci on it, for `boot`; see `unpackLspci`. The packages are downloaded once and kept with
 * those of the images.
 */
export async function lspciDisk(): Promise<string> {
  const cacheFolder = join(CACHE, "pciutils");
  const archive = join(cacheFolder, "lspci.cpio");
  await mkdir(cacheFolder, { recursive: true });
  await withLock(
    join(CACHE, "lock"),
    () => undefined,
    async () => writeFile(archive, await pack(cacheFolder)),
  );
  return `device=blk,id=lspci,store=file,path=${archive},readonly=on,transport=mmio`;
}

/** Unpacks the archive in a guest that has that disk; returns the command that is lspci there. */
export async function unpackLspci({ sh }: Guest): Promise<string> {
  await sh(
    "mkdir /lspci; cd /lspci; cpio -id <$(grep -l '^lspci$' /sys/block/vd*/serial | sed 's,/sys/block/\\(.*\\)/serial,/dev/\\1,') 2>/dev/null",
  );
  return "/lspci/lib/ld-linux.so.2 --library-path /lspci/lib /lspci/bin/lspci -i /lspci/pci.ids";
}

async function pack(cacheFolder: string): Promise<Uint8Array> {
  const scratchFolder = await mkdtemp(join(tmpdir(), "ringside-pciutils-"));
  try {
    const packages = await acquirePackages(
      {
        apt: new PrivateApt(join(CACHE, "apt"), RELEASE, ARCHITECTURE),
        toolsApt: () => Promise.reject(new Error("nothing is built")),
        refresh: false,
        progress: streamProgress(process.stderr, ""),
        name: "pciutils",
        publicFolder: scratchFolder,
        cacheFolder,
        scratchFolder,
      },
      { wanted: PACKAGES, resolve: (apt) => apt.show(PACKAGES), licence: () => "not distributed" },
    );
    await unpackTogether(packages, scratchFolder);
    return writeCpio(await contents(scratchFolder), 0);
  } finally {
    await rm(scratchFolder, { recursive: true, force: true });
  }
}

async function contents(root: string): Promise<CpioEntry[]> {
  const lspci = await readFile(join(root, "usr/bin/lspci"));
  const libraries = await libraryClosure(new Map([["bin/lspci", lspci]]), (name) =>
    firstOf(LIBRARY_FOLDERS.map((folder) => join(root, folder, name))),
  );
  const file = (path: string, data: Uint8Array): CpioEntry => ({ type: "file", path, mode: 0o755, data });
  return [
    { type: "directory", path: "bin", mode: 0o755 },
    { type: "directory", path: "lib", mode: 0o755 },
    file("bin/lspci", lspci),
    file("pci.ids", await readFile(join(root, "usr/share/misc/pci.ids"))),
    ...[...libraries].map(([name, data]) => file(`lib/${name}`, data)),
  ];
}

async function firstOf(paths: readonly string[]): Promise<Uint8Array | undefined> {
  for (const path of paths) {
    const data = await readFile(path).catch(() => undefined);
    if (data) return data;
  }
  return undefined;
}
