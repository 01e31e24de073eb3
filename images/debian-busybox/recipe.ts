/**
 * The default guest: Debian's stock i386 kernel with an initramfs of busybox and the kernel package's own modules.
 * Everything comes from a handful of packages; ./rootfs has the few scripts and settings that are ours.
 */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageManifest } from "../../src/machine/image.ts";
import { writeLicences } from "../licences.ts";
import type { Package, RecordedPackage } from "../packages.ts";
import type { Build, Recipe } from "../recipe.ts";
import { acquireBase, writeInitramfs, writeKernel } from "./base.ts";
import { kernelParameters } from "./kernel-parameters.ts";

export const debianBusybox: Recipe = {
  name: "debian-busybox",
  release: "bookworm",
  architecture: "i386",
  make: async (build) => {
    const { bzImage, initramfs } = await makeBusyboxImage(build, {
      title: "Debian kernel with busybox",
      description:
        "The stock i386 kernel of Debian 12 and its own virtio modules, with busybox and e2fsprogs in an initramfs. Nothing is patched.",
    });
    // For the benchmark's peers, which start from a bzImage with firmware.
    await copyFile(bzImage, join(build.cacheFolder, "bzImage"));
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

const MIB = 1024 * 1024;

/** The kernel's frontends for our devices, and the file systems that make them useful. */
const MODULES = [
  ...["virtio_pci", "virtio_mmio", "virtio_console", "virtio_blk", "virtio_rng", "virtio_net"],
  ...["virtio_balloon", "virtio_input", "9pnet_virtio", "9p", "ext4"],
  // ext4 asks for it by the name of an algorithm, not of a module.
  "crc32c_generic",
];

/** Makes an image; returns where the kernel's bzImage is until the build is over, and the initramfs. */
export async function makeBusyboxImage(
  build: Build,
  variant: Variant,
): Promise<{ bzImage: string; initramfs: Uint8Array }> {
  const base = await acquireBase(build, variant.kernelPackages);
  const replacements = await variant.modules?.(base.kernel, base.more);
  const kernel = await writeKernel(build, base);
  const { initrd, bytes } = await writeInitramfs(build, base, {
    rootfs: join(import.meta.dirname, "rootfs"),
    wantedModules: MODULES,
    signatures: true,
    links: "all",
    ...(replacements && { replacements }),
  });

  await writeLicences(build.publicFolder, base);
  const manifest = describe(
    build.name,
    variant,
    { kernel, initrd },
    base.packages.map((each) => each.record),
  );
  await writeFile(join(build.publicFolder, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  build.progress.done(
    `${build.name} is made: Linux ${base.release}, ${((kernel.storedSize + initrd.storedSize) / 1e6).toFixed(1)} MB to download`,
  );
  return { bzImage: base.bzImage, initramfs: bytes };
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
