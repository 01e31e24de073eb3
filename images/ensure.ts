/** Makes the guest images that are not there yet, or whose recipe has changed. */
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { PrivateApt } from "./apt/private-apt.ts";
import { findRecipe } from "./catalogue.ts";
import { writeImageList } from "./list.ts";
import { withLock } from "./lock.ts";
import type { Progress } from "./progress.ts";
import type { Recipe } from "./recipe.ts";
import { requirePrograms, run } from "./run.ts";
import { isCurrent, recipeHash, writeStamp } from "./stamp.ts";

const PROJECT = join(import.meta.dirname, "..");

export interface EnsureOptions {
  /** Make them anew, from the newest packages that the mirror has. */
  refresh?: boolean;
}

/**
 * Makes `names` where needed; returns those that were made. When all is there it takes as long as reading what is checked does,
 * a fraction of a second. Throws an ImageBuildError that says what is missing or wrong; an image that was there before is then
 * still there.
 */
export async function ensureImages(
  names: readonly string[],
  progress: Progress,
  options: EnsureOptions = {},
): Promise<string[]> {
  const recipes = names.map(findRecipe);
  const hash = await recipeHash(import.meta.dirname);
  const current = async (recipe: Recipe): Promise<boolean> =>
    options.refresh !== true && (await isCurrent(hash, folders(recipe.name)));
  const made: string[] = [];
  for (const recipe of recipes) {
    if (await current(recipe)) continue;
    await mkdir(join(PROJECT, ".cache/images"), { recursive: true });
    await withLock(
      join(PROJECT, ".cache/images/lock"),
      () => progress.step("Waiting for another process that is making guest images"),
      async () => {
        if (await current(recipe)) return; // the other process made it
        await make(recipe, hash, progress, options.refresh === true);
        made.push(recipe.name);
      },
    );
  }
  await writeImageList(join(PROJECT, "public/images"));
  return made;
}

function folders(name: string): { publicFolder: string; cacheFolder: string } {
  return {
    publicFolder: join(PROJECT, "public/images", name),
    cacheFolder: join(PROJECT, ".cache/images", name),
  };
}

/** Builds beside the old image and takes its place at the end, so that a failure leaves the old one as it was. */
async function make(recipe: Recipe, hash: string, progress: Progress, refresh: boolean): Promise<void> {
  const { publicFolder, cacheFolder } = folders(recipe.name);
  const beside = (what: string): string => join(PROJECT, "public/images", `.${recipe.name}.${what}`);
  const [fresh, old, scratchFolder] = [beside("new"), beside("old"), join(cacheFolder, "scratch")];
  const empty = async (folder: string): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  };
  await empty(fresh);
  await empty(scratchFolder);
  try {
    await recipe.make({
      apt: new PrivateApt(join(PROJECT, ".cache/images/apt"), recipe.release, recipe.architecture),
      toolsApt: async () => {
        const architecture = await machineArchitecture();
        return new PrivateApt(
          join(PROJECT, `.cache/images/apt-tools-${architecture}`),
          recipe.release,
          architecture,
        );
      },
      refresh,
      progress,
      name: recipe.name,
      publicFolder: fresh,
      cacheFolder,
      scratchFolder,
    });
    await rm(old, { recursive: true, force: true });
    await rename(publicFolder, old).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    });
    await rename(fresh, publicFolder);
    await writeStamp(hash, { publicFolder, cacheFolder }, recipe.checkedOnUse);
  } finally {
    for (const folder of [fresh, old, scratchFolder]) await rm(folder, { recursive: true, force: true });
  }
}

/** As Debian calls it: amd64, arm64. */
async function machineArchitecture(): Promise<string> {
  requirePrograms({ dpkg: "dpkg" });
  return (await run("dpkg", ["--print-architecture"])).stdout.toString().trim();
}
