/**
 * The default guest: Debian's stock i386 kernel with an initramfs of busybox and the kernel package's own modules.
 * Everything comes from a handful of packages; ./rootfs has the few scripts and settings that are ours.
 */
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { ImageFile, ImageManifest } from "../../src/machine/image.ts";
import type { Control } from "../apt/control.ts";
import type { PrivateApt } from "../apt/private-apt.ts";
import { ImageBuildError } from "../errors.ts";
import { extractVmlinux } from "../pack/bzimage.ts";
import { acquirePackages, unpack, type Package, type RecordedPackage } from "../packages.ts";
import type { Build, Recipe } from "../recipe.ts";
import { requirePrograms, run } from "../run.ts";
import { fileSystemPackages, fileSystemTools } from "./file-system-tools.ts";
import { makeInitramfs } from "./initramfs.ts";
import { kernelParameters } from "./kernel-parameters.ts";

export const debianBusybox: Recipe = {
  name: "debian-busybox",
  release: "bookworm",
  architecture: "i386",
  make: async (build) => {
    const { bzImagePath, initramfs } = await makeBusyboxImage(build, {
      title: "Debian kernel with busybox",
      description:
        "The stock i386 kernel of Debian 12 and its own virtio modules, with busybox and e2fsprogs in an initramfs. Nothing is patched.",
    });
    // For the benchmark's peers, which start from a bzImage with firmware.
    await copyFile(bzImagePath, join(build.cacheFolder, "bzImage"));
    await writeFile(join(build.cacheFolder, "initrd"), initramfs);
  },
};

/** What sets an image that is made from these packages apart from another. */
export interface Variant extends Pick<ImageManifest, "title" | "description" | "mmioCommandLine"> {
  /** Packages that it is made of besides, for a kernel package of this name: all of the kernel's version. */
  kernelPackages?: (kernel: string) => string[];
  /** Kernel modules, by name, that take the place of the kernel package's own. */
  modules?: (kernel: Package, kernelPackages: readonly Package[]) => Promise<ReadonlyMap<string, Uint8Array>>;
}

/** A name for the present kernel: it contains nothing and depends on the real package. */
const KERNEL = "linux-image-686";
const PROGRAMS = ["busybox-static", ...Object.keys(fileSystemPackages)];

const MIB = 1024 * 1024;

/** Makes an image; returns where the kernel's bzImage is until the build is over, and the initramfs. */
export async function makeBusyboxImage(
  build: Build,
  variant: Variant,
): Promise<{ bzImagePath: string; initramfs: Uint8Array }> {
  requirePrograms({ "apt-get": "apt", "dpkg-deb": "dpkg", xz: "xz-utils" });
  const packages = await acquirePackages(build, {
    wanted: [KERNEL, ...PROGRAMS],
    resolve: (apt) => resolve(apt, variant),
    licence,
  });
  const kernelPackage = packages[0]!;
  const kernelPackages = packages.slice(1 + PROGRAMS.length);

  build.progress.step("Unpacking the packages");
  const folders: string[] = [];
  for (const each of packages) folders.push(await unpack(each, build.scratchFolder));
  const [kernelFolder, busyboxFolder] = folders as [string, string];
  const fileSystemFolders = folders.slice(2, 1 + PROGRAMS.length);
  const release = kernelPackage.record.name.replace(/^linux-image-/, "");
  const replacements = await variant.modules?.(kernelPackage, kernelPackages);

  build.progress.step("Taking the kernel out of its bzImage");
  const bzImagePath = join(kernelFolder, `boot/vmlinuz-${release}`);
  const vmlinux = await extractVmlinux(await readFile(bzImagePath), unxz);
  const kernel = await writeCompressed(build, "vmlinux.gz", vmlinux);

  build.progress.step("Writing the initramfs");
  const initramfs = await makeInitramfs({
    rootfs: join(import.meta.dirname, "rootfs"),
    busybox: join(busyboxFolder, "bin/busybox"),
    tools: await fileSystemTools(fileSystemFolders),
    modules: join(kernelFolder, "lib/modules", release),
    release,
    ...(replacements && { replacements }),
    // The kernel's date for all files: the same packages give the same bytes.
    mtime: Math.floor((await stat(bzImagePath)).mtimeMs / 1000),
  });
  const initrd = await writeCompressed(build, "initrd.gz", initramfs);

  await writeLicences(build, packages, folders);
  const manifest = describe(
    build.name,
    variant,
    { kernel, initrd },
    packages.map((each) => each.record),
  );
  await writeFile(join(build.publicFolder, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  build.progress.done(
    `${build.name} is made: Linux ${release}, ${((kernel.storedSize + initrd.storedSize) / 1e6).toFixed(1)} MB to download`,
  );
  return { bzImagePath, initramfs };
}

/** The kernel first, then busybox, then the others, then those of the variant. */
async function resolve(apt: PrivateApt, { kernelPackages }: Variant): Promise<Control[]> {
  const [current] = await apt.show([KERNEL]);
  const depends = current?.get("Depends") ?? "";
  const kernel = /\blinux-image-\d[\w.+-]*-686\b/.exec(depends)?.[0];
  if (kernel === undefined) {
    throw new ImageBuildError(`${KERNEL} depends on no kernel that is known here: "${depends}".`);
  }
  const usual = await apt.show([kernel, ...PROGRAMS]);
  const more = await apt.show(kernelPackages?.(kernel) ?? []);
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

function describe(
  name: string,
  { title, description, mmioCommandLine }: Variant,
  files: ImageManifest["files"],
  packages: RecordedPackage[],
): ImageManifest & { packages: RecordedPackage[] } {
  return {
    format: 1,
    name,
    title,
    description,
    files,
    kernelParameters: kernelParameters.map(({ parameter }) => parameter).join(" "),
    ...(mmioCommandLine && { mmioCommandLine }),
    memory: { minimum: 64 * MIB, recommended: 256 * MIB },
    packages,
  };
}

/** What the licences of the packages ask to go along with their binaries: notices, texts, and where the sources are. */
async function writeLicences(build: Build, packages: Package[], unpacked: string[]): Promise<void> {
  const folder = join(build.publicFolder, "licences");
  await mkdir(folder, { recursive: true });
  for (const [index, { record }] of packages.entries()) {
    const notice = join(unpacked[index]!, "usr/share/doc", record.name, "copyright");
    await copyFile(notice, join(folder, `${record.name}.copyright.txt`)).catch((error: unknown) => {
      throw new ImageBuildError(`The package ${record.name} has no copyright notice.`, { cause: error });
    });
  }
  for (const text of ["GPL-2.txt", "LGPL-2.txt", "LGPL-2.1.txt"]) {
    await copyFile(join(import.meta.dirname, "licences", text), join(folder, basename(text)));
  }
  const sources = packages.map(({ record }) => {
    const all = [record.source, ...record.builtUsing].map(({ name, version }) => `  ${name} ${version}`);
    return `${record.name} ${record.version}\n${all.join("\n")}\n`;
  });
  await writeFile(
    join(folder, "SOURCES.txt"),
    "The programs in this image are Debian's; manifest.json says if one was built anew. Debian publishes the source of every package; where a deb-src\n" +
      "line for bookworm is among apt's sources, `apt-get source NAME=VERSION` fetches it. Packages, and below each the\n" +
      `source packages that it was built from:\n\n${sources.join("\n")}`,
  );
}
