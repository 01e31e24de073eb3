import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asError, DiskError } from "../errors.ts";
import { INDEX_NAME } from "./format.ts";
import type { ImageDisk } from "./image-disk.ts";
import { openImage } from "./open.ts";
import { type ImageOptions, newCounters, STANDARD_TIMING } from "./options.ts";
import { type ImageSource, SourceFailure } from "./source.ts";

/**
 * Opens a packed image in a folder: the path of the folder, or of its index.json. For Node.
 * Rejects with a DiskError ("invalid" when there is no right image), or options.signal's reason.
 */
export function openImageFolder(path: string, options: ImageOptions = {}): Promise<ImageDisk> {
  const folder = path.endsWith(".json") ? dirname(path) : path;
  return openImage({
    ...options,
    label: options.label ?? `The image ${path}`,
    source: new FolderSource(path, folder),
    counters: newCounters(),
    timing: STANDARD_TIMING,
    timeout: Infinity,
  });
}

/** The files of an image on this machine. What fails once fails. */
export class FolderSource implements ImageSource {
  readonly where: string;
  readonly unreliable = false;
  readonly #index: string;
  readonly #folder: string;

  constructor(path: string, folder: string) {
    this.where = `the folder ${folder}`;
    this.#index = path === folder ? join(folder, INDEX_NAME) : path;
    this.#folder = folder;
  }

  async get(name: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const path = name === INDEX_NAME ? this.#index : join(this.#folder, name);
    try {
      return await readWhole(path, most);
    } catch (error) {
      if (error instanceof SourceFailure || error instanceof DiskError) throw error;
      const { code, message } = asError(error) as NodeJS.ErrnoException;
      const missing = code === "ENOENT" || code === "ENOTDIR";
      throw new SourceFailure(
        missing ? "missing" : "unreachable",
        missing ? `there is no file ${path}` : message,
        { cause: error },
      );
    }
  }
}

async function readWhole(path: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    if (size > most) throw new SourceFailure("wrong", `${path} is too large`);
    const bytes = new Uint8Array(size);
    const { bytesRead } = await handle.read(bytes, 0, size, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
