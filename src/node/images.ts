import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { ImageError } from "../machine/boot.ts";
import type { GuestImage, ImageFile, ImageManifest } from "../machine/image.ts";
import { readManifest } from "../machine/manifest.ts";

/** Where `npm run images` puts what it makes. */
export const IMAGES_FOLDER = fileURLToPath(new URL("../../public/images/", import.meta.url));

const MANIFEST = "manifest.json";

/**
 * Reads an image, decodes its files and checks their sizes and checksums.
 * Rejects with an ImageError whose message says which file is wrong, how, and what to do.
 */
export async function loadImage(name: string, folder: string = IMAGES_FOLDER): Promise<GuestImage> {
  const manifest = await loadManifest(name, folder);
  const [kernel, initrd] = await Promise.all([
    loadFile(manifest.files.kernel, join(folder, name)),
    loadFile(manifest.files.initrd, join(folder, name)),
  ]);
  return { manifest, kernel, initrd };
}

/** An image that is there, or the reason why it cannot be used. */
export type ListedImage = { name: string } & ({ manifest: ImageManifest } | { problem: string });

/** The images in a folder, by name. None when there is no such folder. */
export async function listImages(folder: string = IMAGES_FOLDER): Promise<ListedImage[]> {
  const names = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw unreadable(folder, error);
  });
  // Names with a dot in front are somebody's work in progress.
  const folders = names.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  return Promise.all(
    folders
      .map(({ name }) => name)
      .sort()
      .map(async (name): Promise<ListedImage> => {
        try {
          return { name, manifest: await loadManifest(name, folder) };
        } catch (error) {
          if (error instanceof ImageError) return { name, problem: error.message };
          throw error;
        }
      }),
  );
}

async function loadManifest(name: string, folder: string): Promise<ImageManifest> {
  const path = join(folder, name, MANIFEST);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (!isMissing(error)) throw unreadable(path, error);
    throw new ImageError(
      `There is no guest image "${name}" (no file ${path}). Make it with: npm run images -- ${name}`,
      { cause: error },
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ImageError(`${path} is cut short or no JSON. ${again(path)}`, { cause: error });
  }
  return readManifest(json, path, name);
}

async function loadFile(file: ImageFile, folder: string): Promise<Uint8Array> {
  const path = join(folder, file.path);
  let stored: Buffer;
  try {
    stored = await readFile(path);
  } catch (error) {
    throw isMissing(error)
      ? new ImageError(`The image's file ${path} is missing. ${again(path)}`, { cause: error })
      : unreadable(path, error);
  }
  // The stream's own end is looked at first: "cut short" helps more than two numbers.
  const bytes = file.encoding === "gzip" ? await decode(stored, file, path) : stored;
  if (stored.length !== file.storedSize) {
    throw wrongSize(path, stored.length, file.storedSize);
  }
  if (bytes.length !== file.size) throw wrongSize(path, bytes.length, file.size, ", decoded,");
  const sum = createHash("sha256").update(bytes).digest("hex");
  if (sum !== file.sha256) {
    throw new ImageError(
      `${path} has a wrong checksum: SHA-256 ${sum}, expected ${file.sha256}. ${again(path)}`,
    );
  }
  return bytes;
}

/** The advice for a file of an image, which stands in the folder of that image's name. */
function again(path: string): string {
  return `Make the image again with: npm run images -- ${basename(dirname(path))}`;
}

async function decode(stored: Buffer, { size }: ImageFile, path: string): Promise<Buffer> {
  try {
    // A few bytes that decode to gigabytes are stopped at what the manifest promised.
    return await promisify(gunzip)(stored, { maxOutputLength: size });
  } catch (error) {
    switch (codeOf(error)) {
      case "Z_BUF_ERROR":
        throw new ImageError(`${path} is cut short: its gzip stream has no end. ${again(path)}`, {
          cause: error,
        });
      case "ERR_BUFFER_TOO_LARGE":
        throw new ImageError(
          `${path} decodes to more than the ${size} bytes that its manifest has. ${again(path)}`,
          {
            cause: error,
          },
        );
      default:
        throw new ImageError(`${path} is damaged: it is no gzip stream. ${again(path)}`, { cause: error });
    }
  }
}

function wrongSize(path: string, actual: number, expected: number, what = ""): ImageError {
  const how = actual < expected ? "is cut short" : "is too long";
  return new ImageError(`${path}${what} ${how}: ${actual} bytes, expected ${expected}. ${again(path)}`);
}

function unreadable(path: string, error: unknown): ImageError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ImageError(`${path} cannot be read: ${reason}`, { cause: error });
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
