/**
 * A whole Debian: the stock kernel, a small initramfs, and a root file system of Debian's packages on a virtio disk, from which a
 * machine fetches what it touches.
 */
import { createHash } from "node:crypto";
import { copyFile, link, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ImageManifest } from "../../src/machine/image.ts";
import { packImage } from "../../src/node/image/pack.ts";
import { acquireBase, writeInitramfs, writeKernel } from "../debian-busybox/base.ts";
import { kernelParameters } from "../debian-busybox/kernel-parameters.ts";
import { ImageBuildError, reason } from "../errors.ts";
import { writeLicences } from "../licences.ts";
import type { CpioEntry } from "../pack/cpio.ts";
import { acquirePackages, unpack, type Package } from "../packages.ts";
import type { Build, Recipe } from "../recipe.ts";
import { bootstrap } from "./bootstrap.ts";
import { normalizeTimes } from "./inode-times.ts";
import { initramfsModules, rootModules, rootPackages } from "./packages.ts";

const MIB = 1024 * 1024;
const DISK_SIZE = 2048 * MIB;

/** Under the image's folder; what an image is in chunks is in src/backends/disk/image/README.md. */
const DISK = "disk";

export const debian: Recipe = {
  name: "debian",
  release: "bookworm",
  architecture: "i386",
  onRequest: true,
  checkedOnUse: [`${DISK}/chunks/`, "disk.raw"],
  make: async (build) => {
    const began = Math.floor(Date.now() / 1000);
    const base = await acquireBase(build);
    const packages = await acquirePackages(build, {
      list: "root-packages.json",
      wanted: rootPackages,
      resolve: (apt) => apt.closure(rootPackages),
      licence: (name) => `as /usr/share/doc/${name}/copyright says`,
      complete: true,
    });
    const [mmdebstrap] = await acquirePackages(build, {
      list: "tools.json",
      wanted: ["mmdebstrap"],
      resolve: (apt) => apt.show(["mmdebstrap"]),
      licence: () => "not in the image",
    });

    const kernel = await writeKernel(build, base);
    const { initrd, bytes } = await writeInitramfs(build, base, {
      rootfs: join(import.meta.dirname, "initramfs"),
      shared: await sharedScripts(),
      wantedModules: initramfsModules,
      signatures: false,
      links: ["mount", "sh"],
    });
    const raw = join(build.cacheFolder, "disk.raw");
    await bootstrap(
      build,
      {
        packages,
        wanted: rootPackages,
        release: debian.release,
        architecture: debian.architecture,
        mmdebstrap: await unpack(mmdebstrap!, build.scratchFolder),
        busybox: base.busybox,
        modules: {
          folder: base.modules,
          release: base.release,
          wanted: [...initramfsModules, ...rootModules],
        },
        disk: { size: DISK_SIZE, uuid: uuidOf(packages), label: build.name },
        time: base.mtime,
      },
      raw,
    );
    await normalizeTimes(raw, { buildBegan: began, instead: base.mtime });
    const disk = await pack(build, raw);

    await writeLicences(build.publicFolder, { ...base, installed: packages });
    // For the benchmark's peers, which start from a bzImage with firmware.
    await copyFile(base.bzImage, join(build.cacheFolder, "bzImage"));
    await writeFile(join(build.cacheFolder, "initrd"), bytes);
    const manifest: ImageManifest = {
      format: 1,
      name: build.name,
      title: "Debian 12",
      description:
        "Debian 12 for i386, with the stock kernel and a root file system on a disk: a shell with git, python3, a C compiler, " +
        "tmux, fio and apt. Parts of the disk are fetched when they are first used.",
      files: { kernel, initrd },
      disk,
      kernelParameters: kernelParameters.map(({ parameter }) => parameter).join(" "),
      memory: { minimum: 96 * MIB, recommended: 256 * MIB },
      packages: [...base.packages, ...packages].map(({ record }) => record),
    };
    await writeFile(join(build.publicFolder, "manifest.json"), linePerPackage(manifest));
    const boot = kernel.storedSize + initrd.storedSize;
    build.progress.done(
      `${build.name} is made: ${packages.length} packages, ${megabytes(disk.storedSize)} in chunks, and ${megabytes(boot)} ` +
        `to start Linux ${base.release}`,
    );
  },
};

/** Of the initramfs: what debian-busybox has, too. */
async function sharedScripts(): Promise<CpioEntry[]> {
  const folder = join(import.meta.dirname, "../debian-busybox/rootfs");
  return Promise.all(
    ["etc/drivers", "etc/home"].map(async (path) => ({
      type: "file",
      path,
      mode: 0o644,
      data: await readFile(join(folder, path)),
    })),
  );
}

/** The same packages give the same UUID. */
function uuidOf(packages: readonly Package[]): string {
  const hash = createHash("sha256");
  for (const { record } of packages) hash.update(record.sha256);
  // Version 8 is for numbers of one's own making, the variant is that of RFC 9562.
  const digits = hash.digest("hex").split("");
  digits[12] = "8";
  digits[16] = "8";
  const text = digits.join("");
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => text.slice(from, to))
    .join("-");
}

async function pack(build: Build, raw: string): Promise<NonNullable<ImageManifest["disk"]>> {
  build.progress.step("Packing the file system in chunks");
  const folder = join(build.publicFolder, DISK);
  await reuseChunks(join(dirname(build.publicFolder), build.name, DISK, "chunks"), join(folder, "chunks"));
  try {
    const { size, storedSize, identity } = await packImage(raw, folder, {
      onProgress: (_, done, total) => build.progress.bytes(done, total),
    });
    return { index: `${DISK}/index.json`, size, storedSize, identity };
  } catch (error) {
    throw new ImageBuildError(`The file system could not be packed: ${reason(error)}`, { cause: error });
  }
}

/** Chunks of the image that is there already are not compressed again. They never change, so that a second name will do. */
async function reuseChunks(from: string, to: string): Promise<void> {
  for (const folder of await readdir(from).catch(() => [])) {
    await mkdir(join(to, folder), { recursive: true });
    for (const name of await readdir(join(from, folder))) {
      await link(join(from, folder, name), join(to, folder, name)).catch(() => undefined); // it is only compressed again
    }
  }
}

/** JSON with a line for each package: there are hundreds. */
function linePerPackage({ packages, ...rest }: ImageManifest): string {
  const lines = packages.map((each) => `    ${JSON.stringify(each)}`).join(",\n");
  return `${JSON.stringify(rest, undefined, 2).slice(0, -2)},\n  "packages": [\n${lines}\n  ]\n}\n`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
