/** The Debian packages of an image: found, downloaded, verified, and remembered for the next build. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImagePackage } from "../src/machine/image.ts";
import { sources, type Control, type SourcePackage } from "./apt/control.ts";
import type { PrivateApt } from "./apt/private-apt.ts";
import { ImageBuildError } from "./errors.ts";
import type { Build } from "./recipe.ts";
import { requirePrograms, run } from "./run.ts";

/** A package in the manifest, with the sources of what is linked into it. */
export interface RecordedPackage extends ImagePackage {
  builtUsing: SourcePackage[];
}

export interface Package {
  record: RecordedPackage;
  /** The .deb on this machine. */
  file: string;
}

/** The packages that a recipe wants. */
export interface PackageChoice {
  /** Where they come from: `build.apt` unless given. */
  apt?: PrivateApt;
  /** The file in which they are remembered: packages.json unless given. */
  list?: string;
  /** What it asks for; another list than the last build's is resolved anew. */
  wanted: readonly string[];
  /** Finds the real packages, in an order that the recipe knows. */
  resolve(apt: PrivateApt): Promise<Control[]>;
  /** It resolves to all that these packages need: nothing is taken to be there already. */
  complete?: boolean;
  /** SPDX expression. */
  licence(packageName: string): string;
}

/** What is remembered of a build. */
interface Kept {
  wanted: readonly string[];
  packages: Package[];
}

/**
 * The packages that `choice` resolves to. Those of the last build are taken again while their files are whole, so that a
 * changed recipe needs no network; `build.refresh` asks the mirror for newer ones.
 */
export async function acquirePackages(build: Build, choice: PackageChoice): Promise<Package[]> {
  const { apt = build.apt, list = "packages.json" } = choice;
  const listFile = join(build.cacheFolder, list);
  if (!build.refresh) {
    const kept = await readKept(listFile, choice.wanted);
    if (kept) return kept;
  }
  await apt.update(build.progress);
  const controls = await choice.resolve(apt);
  build.progress.step(`Downloading ${listed(controls.map((control) => control.get("Package")!))}`);
  const files = await apt.download(controls, build.progress, choice);
  const packages = controls.map((control, index) => ({
    record: { ...record(control), licence: choice.licence(control.get("Package")!) },
    file: files[index]!,
  }));
  for (const each of packages) {
    if (await isWhole(each)) continue;
    throw new ImageBuildError(`apt-get ended well, but ${each.file} is missing or not what Debian signed.`);
  }
  await mkdir(build.cacheFolder, { recursive: true });
  const kept: Kept = { wanted: choice.wanted, packages };
  await writeFile(listFile, JSON.stringify(kept, undefined, 2));
  return packages;
}

function listed(names: readonly string[]): string {
  return names.length > 20 ? `${names.length} packages` : names.join(", ");
}

function record(control: Control): Omit<RecordedPackage, "licence"> {
  const field = (name: string): string => {
    const value = control.get(name);
    if (value === undefined) throw new ImageBuildError(`apt gives no "${name}" of a package.`);
    return value;
  };
  return {
    name: field("Package"),
    version: field("Version"),
    architecture: field("Architecture"),
    sha256: field("SHA256"),
    size: Number(field("Size")),
    ...sources(control),
  };
}

async function readKept(listFile: string, wanted: readonly string[]): Promise<Package[] | undefined> {
  let kept: Partial<Kept>;
  try {
    kept = JSON.parse(await readFile(listFile, "utf8")) as Partial<Kept>;
  } catch {
    return undefined;
  }
  if (!kept.packages || kept.wanted?.join() !== wanted.join()) return undefined;
  for (const each of kept.packages) if (!(await isWhole(each))) return undefined;
  return kept.packages;
}

async function isWhole({ file, record }: Package): Promise<boolean> {
  const bytes = await readFile(file).catch(() => undefined);
  return bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === record.sha256;
}

/** Unpacks a package's files into a new folder, without the scripts of its installation. */
export async function unpack(each: Package, folder: string): Promise<string> {
  const target = join(folder, each.record.name);
  await unpackTogether([each], target);
  return target;
}

/** Unpacks several into one folder, as they would lie on a system. */
export async function unpackTogether(packages: readonly Package[], folder: string): Promise<void> {
  requirePrograms({ "dpkg-deb": "dpkg" });
  await mkdir(folder, { recursive: true });
  for (const { file } of packages) await run("dpkg-deb", ["--extract", file, folder]);
}
