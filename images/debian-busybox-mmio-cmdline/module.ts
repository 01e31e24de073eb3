/**
 * Compiles Debian's virtio_mmio.ko once more, with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES. The source, the headers and the
 * compiler (a cross compiler for i386 that runs on this machine) are Debian packages, unpacked into a folder and used there:
 * nothing is installed, and the machine's own compiler, if it has one, is not asked.
 */
import { cp, copyFile, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageBuildError } from "../errors.ts";
import { unpackTogether, type Package } from "../packages.ts";
import type { Progress } from "../progress.ts";
import { findProgram, requirePrograms, run } from "../run.ts";

const SOURCE = "drivers/virtio/virtio_mmio.c";

export interface ModuleBuild {
  /** Linux's release, such as 6.1.0-50-686. */
  release: string;
  /** Linux's series, such as 6.1. */
  series: string;
  /** The compiler's version, such as 12. */
  compiler: string;
  /** linux-headers, both packages of it. */
  headers: readonly Package[];
  /** The folder into which linux-source was unpacked. */
  source: string;
  /** Compiler, binutils, make, linux-kbuild, and the libraries that they need. */
  tools: readonly Package[];
  /** An empty folder to work in. */
  folder: string;
  progress: Progress;
}

/** The module, without debugging information and without a signature. */
export async function buildModule(build: ModuleBuild): Promise<Uint8Array> {
  const { release, series, folder, progress } = build;
  requirePrograms({ "dpkg-deb": "dpkg", tar: "tar", xz: "xz-utils", bash: "bash", awk: "mawk", sed: "sed" });
  if (/[\s:]/.test(folder)) {
    throw new ImageBuildError(
      `The kernel's build system cannot work in a folder with spaces or colons in its path: ${folder}`,
    );
  }
  progress.step("Unpacking the kernel's headers and the compiler");
  const root = join(folder, "root");
  await unpackTogether([...build.headers, ...build.tools], root);
  await placeHeaders(root, release, series);

  progress.step(`Taking ${SOURCE} out of Linux's source`);
  const work = join(folder, "module");
  await cp(join(import.meta.dirname, "module"), work, { recursive: true });
  await writeFile(join(work, "virtio_mmio.c"), await extractSource(build.source, series));

  progress.step("Compiling virtio_mmio.ko");
  await compile(build, root, work);
  return checked(await readFile(join(work, "virtio_mmio.ko")), release);
}

/** The packages expect each other below /usr. */
async function placeHeaders(root: string, release: string, series: string): Promise<void> {
  const common = join(root, "usr/src", `linux-headers-${release.replace(/-686$/, "-common")}`);
  await writeFile(
    join(root, "usr/src", `linux-headers-${release}`, "Makefile"),
    `include ${common}/Makefile\n`,
  );
  // Debian's modpost looks at the kernel that it is called for only when that is the machine's own.
  const modpost = join(root, `usr/lib/linux-kbuild-${series}/scripts/mod/modpost`);
  await copyFile(`${modpost}.real-lsb-32`, modpost);
}

async function extractSource(unpacked: string, series: string): Promise<Uint8Array> {
  const name = `linux-source-${series}`;
  const archive = join(unpacked, "usr/src", `${name}.tar.xz`);
  // Decompressed by as many threads as there are processors; tar stops reading when it has the file.
  const options = ["--extract", "--to-stdout", "--occurrence=1", "--use-compress-program=xz --threads=0"];
  return (await run("tar", [...options, `--file=${archive}`, `${name}/${SOURCE}`])).stdout;
}

async function compile({ release, compiler }: ModuleBuild, root: string, work: string): Promise<void> {
  const prefix = "i686-linux-gnu-";
  const programs = join(root, "usr/bin");
  const libraries = [...(await libraryFolders(root, "usr/lib")), ...(await libraryFolders(root, "lib"))];
  await run(
    join(programs, "make"),
    [
      "-C",
      join(root, "usr/src", `linux-headers-${release}`),
      `M=${work}`,
      `CROSS_COMPILE=${prefix}`,
      `CC=${prefix}gcc-${compiler}`,
      `CONFIG_SHELL=${findProgram("bash")!}`,
      // No debugging information, and no path of this machine in the module: the same packages give the same bytes.
      `KCFLAGS=-g0 -fmacro-prefix-map=${work}/=drivers/virtio/`,
      "modules",
    ],
    {
      env: {
        PATH: `${programs}:${process.env.PATH ?? ""}`,
        LD_LIBRARY_PATH: libraries.join(":"),
        MAKEFLAGS: "",
      },
    },
  );
}

/** lib/x86_64-linux-gnu and the like: there is one for the architecture of this machine. */
async function libraryFolders(root: string, below: string): Promise<string[]> {
  const names = await readdir(join(root, below)).catch(() => []);
  return names.filter((name) => /-linux-gnu/.test(name)).map((name) => join(root, below, name));
}

/** What the kernel would refuse is refused here. */
function checked(module: Uint8Array, release: string): Uint8Array {
  const text = Buffer.from(module.buffer, module.byteOffset, module.byteLength).toString("latin1");
  const version = /vermagic=(\S+)/.exec(text)?.[1];
  if (version !== release) {
    throw new ImageBuildError(`virtio_mmio.ko came out for Linux ${version ?? "?"}, not for ${release}.`);
  }
  if (!text.includes("Registering device virtio-mmio")) {
    throw new ImageBuildError("virtio_mmio.ko came out without the parameter for devices.");
  }
  return module;
}
