/** The list of the images that are there, for the page: a server of files cannot be asked what is in a folder. */
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageManifest } from "../src/machine/image.ts";

/** What a person chooses by. */
export interface ImageListEntry {
  name: string;
  title: string;
  description: string;
  /** Bytes that every start transfers: kernel and initramfs, compressed. */
  downloadBytes: number;
  /** Bytes of the packed disk; of these a machine transfers what it touches. */
  diskBytes?: number;
}

/** Writes index.json in the folder of all images, unless it says the same already. */
export async function writeImageList(folder: string): Promise<void> {
  const entries: ImageListEntry[] = [];
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((name) => !name.startsWith(".")).sort()) {
    const manifest = await readManifest(join(folder, name, "manifest.json"));
    if (manifest !== undefined) entries.push(entry(name, manifest));
  }
  const text = `${JSON.stringify(entries, undefined, 2)}\n`;
  const path = join(folder, "index.json");
  if ((await readFile(path, "utf8").catch(() => undefined)) === text) return;
  // A server may be reading it.
  await writeFile(`${path}.${process.pid}.new`, text);
  await rename(`${path}.${process.pid}.new`, path);
}

/** Undefined when there is none, or a damaged one: who starts that image is told. */
async function readManifest(path: string): Promise<ImageManifest | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ImageManifest;
  } catch {
    return undefined;
  }
}

function entry(name: string, { title, description, files, disk }: ImageManifest): ImageListEntry {
  return {
    name,
    title,
    description,
    downloadBytes: files.kernel.storedSize + files.initrd.storedSize,
    ...(disk && { diskBytes: disk.storedSize }),
  };
}
