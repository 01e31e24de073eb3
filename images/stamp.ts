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
  /** SHA-256 of every file, by its path in the public or the cache folder; of those that are checked on use, the size. */
  publicFiles: Record<string, string>;
  cacheFiles: Record<string, string>;
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

/** `checkedOnUse`: see Recipe. */
export async function writeStamp(
  recipe: string,
  folders: Folders,
  checkedOnUse: readonly string[] = [],
): Promise<void> {
  const stamp: Stamp = {
    recipe,
    publicFiles: await fingerprints(folders.publicFolder, checkedOnUse),
    cacheFiles: await fingerprints(folders.cacheFolder, checkedOnUse),
  };
  await writeFile(join(folders.cacheFolder, STAMP), JSON.stringify(stamp, undefined, 2));
}

/** Whether the stamp is of this recipe and every file that it lists is as it was made. */
export async function isCurrent(recipe: string, folders: Folders): Promise<boolean> {
  let stamp: Stamp;
  try {
    stamp = JSON.parse(await readFile(join(folders.cacheFolder, STAMP), "utf8")) as Stamp;
  } catch {
    return false;
  }
  if (stamp.recipe !== recipe) return false;
  const whole = async (folder: string, files: Record<string, string>): Promise<boolean> => {
    for (const [path, kept] of Object.entries(files)) {
      const print = kept.startsWith(SIZE) ? sizeOf : checksum;
      if ((await print(join(folder, path)).catch(() => undefined)) !== kept) return false;
    }
    return true;
  };
  return (
    (await whole(folders.publicFolder, stamp.publicFiles)) && whole(folders.cacheFolder, stamp.cacheFiles)
  );
}

async function fingerprints(
  folder: string,
  checkedOnUse: readonly string[],
): Promise<Record<string, string>> {
  const paths = (await filesBelow(folder)).filter((path) => path !== STAMP && !path.startsWith("scratch/"));
  const entries = paths.map(async (path) => {
    const print = checkedOnUse.some((start) => path.startsWith(start)) ? sizeOf : checksum;
    return [path, await print(join(folder, path))] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** What a size begins with in the stamp. */
const SIZE = "size ";

async function sizeOf(file: string): Promise<string> {
  return `${SIZE}${(await stat(file)).size}`;
}

async function checksum(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}

/** Paths of all files below, relative, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
