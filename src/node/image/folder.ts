import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { decodePart } from "../../backends/disk/image/decode.ts";
import { INDEX_NAME, largestStored, partName } from "../../backends/disk/image/format.ts";
import { DiskError, asError } from "../../backends/disk/errors.ts";

const compress = promisify(gzip);

/** A name that nobody but us gives to files, for what is being written. */
const UNFINISHED = /^\.ringside-.*\.part$/;
const DIGEST = /^[0-9a-f]{64}$/;
const FIRST_DIGITS = /^[0-9a-f]{2}$/;

/**
 * The folder that an image is packed into. Other files in it are left alone.
 * What it throws and rejects with is a DiskError.
 */
export class ImageFolder {
  /** Bytes of all files that the image has so far. */
  storedSize = 0;
  /** How many of them were there already. */
  reused = 0;
  readonly #path: string;
  readonly #used = new Set<string>();
  /** Names of this run's unfinished files: another run may be busy in the same folder. */
  readonly #mark = `.ringside-${randomUUID()}`;
  #begun = 0;
  #finished = 0;

  static async open(path: string): Promise<ImageFolder> {
    await told(path, () => mkdir(path, { recursive: true }));
    return new ImageFolder(path);
  }

  private constructor(path: string) {
    this.#path = path;
  }

  /** Has the content under that digest in the folder, compressed. Any number may be under way, each digest once. */
  async store(digest: string, content: Buffer): Promise<void> {
    await told(this.#path, async () => {
      this.#used.add(digest);
      const path = join(this.#path, partName(digest));
      const present = await readPart(path, digest, content.length);
      if (present !== undefined) {
        this.reused++;
        this.storedSize += present;
        return;
      }
      const stored = await compress(content, { level: 9 });
      stored[9] = 255; // the operating system in gzip's header: the same file wherever it is made
      await mkdir(join(path, ".."), { recursive: true });
      await this.#write(path, stored);
      this.storedSize += stored.length;
    });
  }

  /** Makes the folder hold the image of this index from now on. Returns the path of the index. */
  async publish(index: string): Promise<string> {
    const path = join(this.#path, INDEX_NAME);
    await told(this.#path, () => this.#write(path, index, true));
    return path;
  }

  /** Removes what an image before left and the present one does not have. Returns how many files. */
  async removeUnused(): Promise<number> {
    let removed = 0;
    const chunks = join(this.#path, "chunks");
    await told(this.#path, async () => {
      for (const digits of await readdir(chunks)) {
        if (!FIRST_DIGITS.test(digits)) continue;
        const folder = join(chunks, digits);
        const names = await readdir(folder);
        const unused = names.filter((name) => DIGEST.test(name) && !this.#used.has(name));
        for (const name of [...unused, ...names.filter((name) => UNFINISHED.test(name))]) {
          await rm(join(folder, name), { force: true });
        }
        removed += unused.length;
        if (unused.length === names.length) await rmdir(folder).catch(() => undefined);
      }
    });
    return removed;
  }

  /** Takes away what a run that failed was writing. */
  async discardUnfinished(): Promise<void> {
    if (this.#begun === this.#finished) return;
    const names = await readdir(this.#path, { recursive: true }).catch(() => []);
    for (const name of names) {
      if (name.includes(this.#mark)) await rm(join(this.#path, name), { force: true });
    }
  }

  /** All of it under its name, or nothing. */
  async #write(path: string, content: Uint8Array | string, durable = false): Promise<void> {
    const unfinished = join(path, "..", `${this.#mark}-${this.#begun++}.part`);
    await writeFile(unfinished, content);
    if (durable) {
      const handle = await open(unfinished);
      await handle.sync().finally(() => handle.close());
    }
    await rename(unfinished, path);
    this.#finished++;
  }
}

/** Bytes of a stored file; undefined when it is not there or not right. */
async function readPart(path: string, digest: string, length: number): Promise<number | undefined> {
  try {
    const stored = await readFile(path);
    if (stored.length > largestStored(length)) return undefined;
    await decodePart(new Uint8Array(stored), digest, length);
    return stored.length;
  } catch {
    return undefined;
  }
}

async function told<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = asError(error) as NodeJS.ErrnoException;
    const kind = code === "ENOSPC" || code === "EDQUOT" ? "full" : "io";
    throw new DiskError(kind, `The image cannot be written into ${path}: ${message}.`, { cause: error });
  }
}
