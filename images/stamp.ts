/** Tells whether an image is there, whole, and made by the recipe as it is now. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";

interface Folders {
  publicFolder: string;
  cacheFolder: string;
}

interface Stamp {
  recipe: string;
  /** Size of every file, by its path in the public or the cache folder. */
  publicFiles: Record<string, number>;
  cacheFiles: Record<string, number>;
}

const STAMP = "stamp.json";

/** A hash over everything that has a say in what images are: all files of `folder` but its documentation. */
export async function recipeHash(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const path of (await filesBelow(folder)).filter((path) => !path.endsWith(".md"))) {
    const file = join(folder, path);
    const executable = ((await stat(file)).mode & 0o100) !== 0;
    hash.update(`${path}\0${executable}\0`).update(await readFile(file));
  }
  return hash.digest("hex");
}

export async function writeStamp(recipe: string, folders: Folders): Promise<void> {
  const stamp: Stamp = {
    recipe,
    publicFiles: await sizes(folders.publicFolder),
    cacheFiles: await sizes(folders.cacheFolder),
  };
  await writeFile(join(folders.cacheFolder, STAMP), JSON.stringify(stamp, undefined, 2));
}

/** Whether the stamp is of this recipe and every file that it lists still has its size. */
export async function isCurrent(recipe: string, folders: Folders): Promise<boolean> {
  let stamp: Stamp;
  try {
    stamp = JSON.parse(await readFile(join(folders.cacheFolder, STAMP), "utf8")) as Stamp;
  } catch {
    return false;
  }
  if (stamp.recipe !== recipe) return false;
  const whole = async (folder: string, files: Record<string, number>): Promise<boolean> => {
    for (const [path, size] of Object.entries(files)) {
      if ((await stat(join(folder, path)).catch(() => undefined))?.size !== size) return false;
    }
    return true;
  };
  return (
    (await whole(folders.publicFolder, stamp.publicFiles)) && whole(folders.cacheFolder, stamp.cacheFiles)
  );
}

async function sizes(folder: string): Promise<Record<string, number>> {
  const paths = (await filesBelow(folder)).filter((path) => path !== STAMP && !path.startsWith("scratch/"));
  const entries = paths.map(async (path) => [path, (await stat(join(folder, path))).size] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Paths of all files below, relative, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
