/** What the peers boot: the same kernel and the same initramfs, made by `npm run images`, and SeaBIOS from Debian. */
import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, writeCpio } from "../../images/pack/cpio.ts";
import { closure, type Module, moduleName, readModule } from "../../images/pack/modules.ts";
import { unpack, type Package } from "../../images/packages.ts";
import { run } from "../../images/run.ts";
import type { ImageManifest } from "../../src/machine/image.ts";
import { commandIn, type GuestProgram, programEntries } from "../guest/programs.ts";

export const PROJECT = join(import.meta.dirname, "../..");
export const IMAGE = "debian-busybox";

const CACHE = join(PROJECT, ".cache/images", IMAGE);

/** Debian's `seabios` package. */
const SEABIOS = process.env["RINGSIDE_SEABIOS"] ?? "/usr/share/seabios";

/** Something that the benchmark needs is not on this machine; the message says how to get it. */
export class MissingMaterial extends Error {
  override name = "MissingMaterial";
}

/** Paths of what plain v86 boots from. */
export interface PeerFiles {
  bios: string;
  vgaBios: string;
  bzImage: string;
  /** The image's initramfs, byte for byte what Ringside's machine gets. */
  initrd: string;
  wasm: string;
  library: string;
}

/** What plain v86 boots `image` from. @throws MissingMaterial */
export async function peerFiles(image = IMAGE): Promise<PeerFiles> {
  const cache = join(PROJECT, ".cache/images", image);
  const files = {
    bios: join(SEABIOS, "bios-256k.bin"),
    vgaBios: join(SEABIOS, "vgabios-stdvga.bin"),
    bzImage: join(cache, "bzImage"),
    initrd: join(cache, "initrd"),
    wasm: join(PROJECT, "node_modules/v86/build/v86.wasm"),
    library: join(PROJECT, "node_modules/v86/build/libv86.mjs"),
  };
  const how = {
    bios: `Install Debian's package: apt-get install seabios (or say where its files are in RINGSIDE_SEABIOS).`,
    image: `Make the guest image with: npm run images -- ${image} --refresh`,
  };
  for (const path of [files.bios, files.vgaBios]) await need(path, how.bios);
  for (const path of [files.bzImage, files.initrd]) await need(path, how.image);
  return files;
}

export interface DebianFiles {
  files: PeerFiles;
  /** The file system as one file, and its bytes. */
  disk: string;
  size: number;
  /** Bytes of the packed image. */
  storedSize: number;
  /** The kernel's. */
  parameters: string;
}

/** The debian image: what plain v86 boots it from, and its disk as one file. @throws MissingMaterial */
export async function debianFiles(): Promise<DebianFiles> {
  const files = await peerFiles("debian");
  const disk = join(PROJECT, ".cache/images/debian/disk.raw");
  const manifest = join(PROJECT, "public/images/debian/manifest.json");
  const how = "Make the guest image with: npm run images -- debian --refresh";
  await access(disk).catch((cause: unknown) => {
    throw new MissingMaterial(`The benchmark's peer needs ${disk}. ${how}`, { cause });
  });
  await need(manifest, how);
  const image = JSON.parse(await readFile(manifest, "utf8")) as ImageManifest;
  const storedSize = image.disk?.storedSize ?? 0;
  return { files, disk, size: (await stat(disk)).size, storedSize, parameters: image.kernelParameters };
}

async function need(path: string, how: string): Promise<void> {
  try {
    await readFile(path);
  } catch (cause) {
    throw new MissingMaterial(`The benchmark's peer needs ${path}, which cannot be read. ${how}`, { cause });
  }
}

/**
 * The initramfs of the disk and console measurements, the same for both peers: the image's, and after it a second
 * archive (the kernel unpacks them one after the other) with the drivers of v86's IDE and the shell of ./guest/shell.sh.
 * Made once for each kernel package. Returns its path.
 */
export async function benchInitrd(): Promise<string> {
  const kernel = await kernelPackage();
  const image = await readFile(join(CACHE, "initrd"));
  const shell = await readFile(join(import.meta.dirname, "guest/shell.sh"));
  const name = createHash("sha256")
    .update(image)
    .update(shell)
    .update(kernel.record.sha256)
    .update(IDE_MODULES.join())
    .digest("hex");
  const folder = join(PROJECT, ".cache/bench");
  const path = join(folder, `initrd-${name.slice(0, 16)}`);
  if (await readFile(path).catch(() => undefined)) return path;
  await mkdir(folder, { recursive: true });
  const entries: CpioEntry[] = [
    { type: "directory", path: "bench", mode: 0o755 },
    { type: "file", path: "bench/shell.sh", mode: 0o644, data: shell },
    ...(await driverEntries("ide", IDE_MODULES, kernel, join(folder, "scratch"))),
  ];
  await writeFile(`${path}.new`, Buffer.concat([image, writeCpio(entries, 0)]));
  await rename(`${path}.new`, path);
  return path;
}

/** The same for the network: with iperf3 in /bench/iperf, and the driver of v86's NE2000 behind /bench/ne2k. Returns its path. */
export async function networkInitrd(): Promise<string> {
  const base = await benchInitrd();
  const path = `${base}-network`;
  if (await readFile(path).catch(() => undefined)) return path;
  const iperf = await programEntries(IPERF);
  const entries: CpioEntry[] = [
    { type: "directory", path: "bench", mode: 0o755 },
    { type: "directory", path: "bench/iperf", mode: 0o755 },
    ...iperf.map((entry) => ({ ...entry, path: `bench/iperf/${entry.path}` })),
    ...(await driverEntries(
      "ne2k",
      ["ne2k_pci"],
      await kernelPackage(),
      join(PROJECT, ".cache/bench/scratch"),
    )),
  ];
  await writeFile(`${path}.new`, Buffer.concat([await readFile(base), writeCpio(entries, 0)]));
  await rename(`${path}.new`, path);
  return path;
}

const IPERF: GuestProgram = {
  name: "iperf3",
  packages: "iperf3 libiperf0 libsctp1 libssl3 libc6".split(" "),
  path: "usr/bin/iperf3",
};

/** In a guest with the `networkInitrd`. */
export const IPERF_COMMAND = commandIn("/bench/iperf", IPERF);

/** PIIX IDE, and the disks behind it. */
const IDE_MODULES = ["ata_piix", "sd_mod"];

interface LoadedModule {
  module: Module;
  bytes: Uint8Array;
}

async function kernelPackage(): Promise<Package> {
  const list = join(CACHE, "packages.json");
  await need(list, "Make the guest image with: npm run images -- --refresh");
  const { packages } = JSON.parse(await readFile(list, "utf8")) as { packages?: Package[] };
  const kernel = packages?.find(({ record }) => record.name.startsWith("linux-image-"));
  if (!kernel)
    throw new MissingMaterial(`${list} names no kernel package. Make the image again: npm run images`);
  await need(kernel.file, "Fetch it again with: npm run images -- --refresh");
  return kernel;
}

/** Drivers for /bench, and beside them the script `name` that loads them. */
async function driverEntries(
  name: string,
  wanted: readonly string[],
  kernel: Package,
  scratch: string,
): Promise<CpioEntry[]> {
  const modules = await withDependencies(wanted, kernel, scratch);
  return [
    { type: "file", path: `bench/${name}`, mode: 0o644, data: Buffer.from(insmodScript(modules)) },
    ...modules.map(({ module, bytes }): CpioEntry => ({
      type: "file",
      path: `bench/${module.name}.ko`,
      mode: 0o644,
      data: bytes,
    })),
  ];
}

/** The drivers with what they need, in the order in which to load them. */
async function withDependencies(
  wanted: readonly string[],
  kernel: Package,
  scratch: string,
): Promise<LoadedModule[]> {
  await rm(scratch, { recursive: true, force: true });
  try {
    const release = kernel.record.name.replace(/^linux-image-/, "");
    const folder = join(await unpack(kernel, scratch), "lib/modules", release);
    const files = (await readdir(folder, { recursive: true })).filter((path) => /\.ko(\.xz)?$/.test(path));
    const byName = new Map(files.map((path) => [moduleName(path), path]));
    const builtin = (await readFile(join(folder, "modules.builtin"), "utf8")).split("\n").filter(Boolean);
    const loaded = new Map<string, LoadedModule>();
    const queue = [...wanted];
    for (const name of queue) {
      const path = byName.get(name);
      if (path === undefined || loaded.has(name)) continue; // closure() tells what is missing
      const bytes = await decompress(join(folder, path));
      const module = readModule(path, bytes);
      loaded.set(name, { module, bytes });
      queue.push(...module.depends);
    }
    const known = new Map([...loaded].map(([name, { module }]) => [name, module]));
    const order = closure(wanted, known, new Set(builtin.map(moduleName)));
    return order.map(({ name }) => loaded.get(name)!);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function decompress(path: string): Promise<Uint8Array> {
  return path.endsWith(".xz") ? (await run("xz", ["--decompress", "--stdout", path])).stdout : readFile(path);
}

/** To be sourced by the guest's shell. A module that the image has loaded already is no mistake. */
function insmodScript(modules: readonly LoadedModule[]): string {
  return modules
    .map(({ module }) => `[ -d /sys/module/${module.name} ] || insmod /bench/${module.name}.ko\n`)
    .join("");
}
