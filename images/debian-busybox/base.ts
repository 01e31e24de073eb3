/** What every image here starts from: Debian's kernel, busybox, and the programs of e2fsprogs, out of their packages. */
import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { ImageFile } from "../../src/machine/image.ts";
import type { Control } from "../apt/control.ts";
import type { PrivateApt } from "../apt/private-apt.ts";
import { ImageBuildError } from "../errors.ts";
import { extractVmlinux } from "../pack/bzimage.ts";
import type { CpioEntry } from "../pack/cpio.ts";
import { acquirePackages, unpack, type Package } from "../packages.ts";
import type { Build } from "../recipe.ts";
import { requirePrograms, run } from "../run.ts";
import { fileSystemPackages, fileSystemTools } from "./file-system-tools.ts";
import { makeInitramfs, type InitramfsInput } from "./initramfs.ts";

/** A name for the present kernel: it contains nothing and depends on the real package. */
const KERNEL = "linux-image-686";
const PROGRAMS = ["busybox-static", ...Object.keys(fileSystemPackages)];

/** Unpacked in the build's scratch folder. */
export interface Base {
  /** The kernel first, then busybox, then the others, then those that were asked for besides. */
  packages: Package[];
  /** The folder of each. */
  folders: string[];
  kernel: Package;
  /** Those that were asked for besides. */
  more: Package[];
  /** As `uname -r` has it. */
  release: string;
  bzImage: string;
  /** Folder lib/modules/RELEASE of the kernel's package. */
  modules: string;
  busybox: string;
  /** mke2fs and e2fsck. */
  tools: CpioEntry[];
  /** The kernel's date in seconds: the same packages give the same bytes. */
  mtime: number;
}

/** `kernelPackages` names packages that are wanted besides, for a kernel package of this name: all of the kernel's version. */
export async function acquireBase(
  build: Build,
  kernelPackages: (kernel: string) => string[] = () => [],
): Promise<Base> {
  requirePrograms({ "apt-get": "apt", "dpkg-deb": "dpkg", xz: "xz-utils" });
  const packages = await acquirePackages(build, {
    wanted: [KERNEL, ...PROGRAMS],
    resolve: (apt) => resolve(apt, kernelPackages),
    licence,
  });
  build.progress.step("Unpacking the packages");
  const folders: string[] = [];
  for (const each of packages) folders.push(await unpack(each, build.scratchFolder));
  const [kernelFolder, busyboxFolder] = folders as [string, string];
  const kernel = packages[0]!;
  const release = kernel.record.name.replace(/^linux-image-/, "");
  const bzImage = join(kernelFolder, `boot/vmlinuz-${release}`);
  return {
    packages,
    folders,
    kernel,
    more: packages.slice(1 + PROGRAMS.length),
    release,
    bzImage,
    modules: join(kernelFolder, "lib/modules", release),
    busybox: join(busyboxFolder, "bin/busybox"),
    tools: await fileSystemTools(folders.slice(2, 1 + PROGRAMS.length)),
    mtime: Math.floor((await stat(bzImage)).mtimeMs / 1000),
  };
}

async function resolve(apt: PrivateApt, kernelPackages: (kernel: string) => string[]): Promise<Control[]> {
  const [current] = await apt.show([KERNEL]);
  const depends = current?.get("Depends") ?? "";
  const kernel = /\blinux-image-\d[\w.+-]*-686\b/.exec(depends)?.[0];
  if (kernel === undefined) {
    throw new ImageBuildError(`${KERNEL} depends on no kernel that is known here: "${depends}".`);
  }
  const usual = await apt.show([kernel, ...PROGRAMS]);
  const more = await apt.show(kernelPackages(kernel));
  const version = usual[0]!.get("Version");
  const other = more.find((control) => control.get("Version") !== version);
  if (other) {
    throw new ImageBuildError(
      `The mirror has ${kernel} in version ${version ?? "?"} and ${other.get("Package")!} in version ` +
        `${other.get("Version")!}. It may be in the middle of its update; try again later.`,
    );
  }
  return [...usual, ...more];
}

function licence(packageName: string): string {
  if (packageName.startsWith("linux-")) return "GPL-2.0-only WITH Linux-syscall-note";
  return fileSystemPackages[packageName] ?? "GPL-2.0-only"; // busybox
}

/** Puts the kernel among the image's files. */
export async function writeKernel(build: Build, { bzImage }: Base): Promise<ImageFile> {
  build.progress.step("Taking the kernel out of its bzImage");
  return writeCompressed(build, "vmlinux.gz", await extractVmlinux(await readFile(bzImage), unxz));
}

/** Puts an initramfs among the image's files; its bytes are returned, too. */
export async function writeInitramfs(
  build: Build,
  { busybox, modules, release, mtime, tools }: Base,
  input: Omit<InitramfsInput, "busybox" | "modules" | "release" | "mtime" | "tools">,
): Promise<{ initrd: ImageFile; bytes: Uint8Array }> {
  build.progress.step("Writing the initramfs");
  const bytes = await makeInitramfs({ busybox, modules, release, mtime, tools, ...input });
  return { initrd: await writeCompressed(build, "initrd.gz", bytes), bytes };
}

async function unxz(stream: Uint8Array): Promise<Uint8Array> {
  return (await run("xz", ["--decompress", "--stdout", "--format=xz"], { input: stream })).stdout;
}

async function writeCompressed(build: Build, path: string, bytes: Uint8Array): Promise<ImageFile> {
  const stored = await promisify(gzip)(bytes, { level: 9 });
  await writeFile(join(build.publicFolder, path), stored);
  return {
    path,
    encoding: "gzip",
    storedSize: stored.length,
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}
