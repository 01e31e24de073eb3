/** Installs Debian into a folder and makes a file system of it, by mmdebstrap. */
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { readModules } from "../debian-busybox/initramfs.ts";
import { ImageBuildError } from "../errors.ts";
import type { Package } from "../packages.ts";
import type { Build } from "../recipe.ts";
import { findProgram, requirePrograms, run } from "../run.ts";
import { makeRepository } from "./repository.ts";

/** The same programs for all images. */
const PROGRAMS = join(import.meta.dirname, "../debian-busybox/rootfs/bin");

export interface BootstrapInput {
  /** All that is installed. */
  packages: readonly Package[];
  /** Those of them that were asked for; the others are there because these need them. */
  wanted: readonly string[];
  release: string;
  architecture: string;
  /** Folder with the unpacked package of mmdebstrap. */
  mmdebstrap: string;
  /** A program of that architecture that runs without libraries: does this machine run it? */
  busybox: string;
  /** lib/modules/RELEASE of the kernel package, and those of them that go along. */
  modules: { folder: string; release: string; wanted: readonly string[] };
  /** Bytes of the file system, its UUID and its label. */
  disk: { size: number; uuid: string; label: string };
  /** Seconds since 1970, for what was not there before. */
  time: number;
}

/**
 * Makes the file system in the file `disk`. Nothing on this machine changes besides. Throws an ImageBuildError when this machine
 * or this user cannot do it, which says why.
 */
export async function bootstrap(build: Build, input: BootstrapInput, disk: string): Promise<void> {
  const mode = await checkMachine(input.busybox);
  // Other users of a name space may not look into a person's folders.
  const folder =
    mode === "root"
      ? join(build.scratchFolder, "bootstrap")
      : await mkdtemp(join(tmpdir(), "ringside-image-"));
  try {
    await mkdir(join(folder, "tmp"), { recursive: true });
    await chmod(folder, 0o755);
    const source = await prepare(folder, input);
    await mmdebstrap(build, folder, mode, source, input);
    await move(join(folder, "disk.raw"), disk);
    await chmod(disk, 0o644);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What mmdebstrap's hooks find beside them (see ./build). Returns the line of sources.list(5) for the packages. */
async function prepare(folder: string, input: BootstrapInput): Promise<string> {
  for (const name of ["extract.sh", "customize.sh", "file-system.sh"]) {
    await copyFile(join(import.meta.dirname, "build", name), join(folder, name));
  }
  await cp(join(import.meta.dirname, "rootfs"), join(folder, "rootfs"), { recursive: true });
  await mkdir(join(folder, "rootfs/usr/bin"));
  for (const name of ["ringside-agent", "ringside-network"]) {
    await copyFile(join(PROGRAMS, name), join(folder, "rootfs/usr/bin", name));
  }
  await writeFile(join(folder, "identity"), `${input.disk.uuid} ${input.disk.label}\n`);
  await writeFile(join(folder, "disk.raw"), "");
  await chmod(join(folder, "disk.raw"), 0o666);
  await truncate(join(folder, "disk.raw"), input.disk.size);

  const { modules, contents } = await readModules(input.modules.folder, input.modules.wanted);
  const target = join(folder, "modules", input.modules.release);
  for (const { name, path } of modules) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await writeFile(join(target, path), contents.get(name)!);
  }
  for (const list of ["modules.order", "modules.builtin", "modules.builtin.modinfo"]) {
    await copyFile(join(input.modules.folder, list), join(target, list));
  }
  return makeRepository(input.packages, join(folder, "repository"), input.release);
}

async function mmdebstrap(
  build: Build,
  folder: string,
  mode: Mode,
  source: string,
  input: BootstrapInput,
): Promise<void> {
  const hook = (name: string): string => `sh "${join(folder, name)}" "$1"`;
  const environment = {
    // Nothing of this person's: the scripts of packages run with it.
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: folder,
    LC_ALL: "C",
    TMPDIR: join(folder, "tmp"),
    SOURCE_DATE_EPOCH: String(input.time),
  };
  build.progress.step("Unpacking Debian's essential packages");
  const alone = mode === "root" && (await mayUnshareMounts());
  await run(
    alone ? "unshare" : "env",
    [
      ...(alone ? ["--mount", "--propagation", "private", "env"] : []),
      "-i",
      ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      "perl",
      join(input.mmdebstrap, "usr/bin/mmdebstrap"),
      `--mode=${mode}`,
      `--architectures=${input.architecture}`,
      "--variant=essential",
      `--include=${input.wanted.join(",")}`,
      // It would look for a program that is in no package of ours; ./checkMachine has looked already.
      "--skip=check/qemu",
      `--aptopt=APT::Install-Recommends "false"`,
      `--extract-hook=${hook("extract.sh")}`,
      `--customize-hook=${hook("customize.sh")}`,
      "--format=null",
      input.release,
      "/dev/null",
      source,
    ],
    {
      onErrorLine: (line) => {
        const step = STEPS.find(([start]) => line.startsWith(start))?.[1];
        if (step !== undefined) build.progress.step(step);
      },
    },
  );
}

/** What mmdebstrap says, and what a person wants to know of it. */
const STEPS: readonly (readonly [string, string])[] = [
  ["I: installing essential packages", "Installing Debian's essential packages"],
  ["I: installing remaining packages", "Installing the other packages"],
  ["I: running --customize-hook", "Making the file system"],
];

type Mode = "root" | "unshare";

async function checkMachine(busybox: string): Promise<Mode> {
  requirePrograms({
    perl: "perl",
    "dpkg-deb": "dpkg",
    tar: "tar",
    unshare: "util-linux",
    chroot: "coreutils",
  });
  await run(busybox, ["true"]).catch((error: unknown) => {
    throw new ImageBuildError(
      "This machine does not run programs for i386, and the packages of this image bring scripts that have to run. Make it on a " +
        "PC with a 64-bit or 32-bit kernel that allows 32-bit programs, and copy the folders public/images/debian and .cache/images/debian here.",
      { cause: error },
    );
  });
  await run("perl", ["-e", 'require "syscall.ph"; require "sys/ioctl.ph"']).catch((error: unknown) => {
    throw new ImageBuildError(
      "This machine's perl is without the header files that mmdebstrap needs. Install it whole: apt-get install perl",
      { cause: error },
    );
  });
  if (process.getuid?.() === 0) return "root";
  const missing = await missingForUnshare();
  if (missing === undefined) return "unshare";
  throw new ImageBuildError(
    `Installing Debian's packages takes root, or a user name space in which one is root, and ${missing}. ` +
      "Run it as root or allow that; nothing outside of this project's folders is changed either way.",
  );
}

/** Why mmdebstrap could not make a user name space; undefined when it can. */
async function missingForUnshare(): Promise<string | undefined> {
  if (!findProgram("newuidmap") || !findProgram("newgidmap")) {
    return "the programs newuidmap and newgidmap are missing (apt-get install uidmap)";
  }
  const { username, uid } = userInfo();
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    const lines = (await readFile(file, "utf8").catch(() => "")).split("\n");
    if (!lines.some((line) => line.startsWith(`${username}:`) || line.startsWith(`${uid}:`))) {
      return `${file} has no range for ${username} (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username})`;
    }
  }
  const allowed = await run("unshare", ["--user", "true"]).then(
    () => true,
    () => false,
  );
  return allowed ? undefined : "this system does not allow user name spaces to ordinary users";
}

/** A build that is killed leaves its mounts behind, unless they are in a name space that goes with it. */
function mayUnshareMounts(): Promise<boolean> {
  return run("unshare", ["--mount", "true"]).then(
    () => true,
    () => false,
  );
}

async function move(from: string, to: string): Promise<void> {
  await rm(to, { force: true });
  try {
    await rename(from, to);
  } catch {
    await run("cp", ["--sparse=always", from, to]); // another file system
  }
}
