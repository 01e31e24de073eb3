import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { DiskError, asError } from "../../backends/disk/errors.ts";

/** A disk's bytes in a file, open for reading. */
export interface RawDisk {
  readonly handle: FileHandle;
  /** Bytes. */
  readonly size: number;
  /** Rejects when somebody wrote to the file since it was opened. */
  checkUnchanged(): Promise<void>;
  /** Closes the file, and removes it when it was only made for us. */
  close(): Promise<void>;
}

interface Options {
  /** Bytes converted so far, and in all. */
  onProgress: (done: number, total: number) => void;
  signal: AbortSignal | undefined;
}

/**
 * Opens the disk in a file: a raw one as it is, others converted by qemu-img into a file in the folder `scratch`.
 * Rejects with a DiskError, or the signal's reason.
 */
export async function openRawDisk(path: string, scratch: string, options: Options): Promise<RawDisk> {
  const disk = await openFile(path);
  let format: string | undefined;
  try {
    format = await formatOf(disk.handle, path);
  } catch (error) {
    await disk.close();
    throw error;
  }
  if (format === undefined) return disk;
  try {
    const raw = join(scratch, `.ringside-${randomUUID()}.raw`);
    const remove = (): Promise<void> => rm(raw, { force: true });
    try {
      await convert(path, format, raw, options);
      const copy = await openFile(raw);
      // Nobody can open it any more, and it goes with us, whatever becomes of us.
      await remove();
      return { ...copy, checkUnchanged: () => disk.checkUnchanged() };
    } catch (error) {
      await remove();
      throw error;
    }
  } finally {
    // What checkUnchanged looks at is the path.
    await disk.close();
  }
}

async function openFile(path: string): Promise<RawDisk> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const before = await handle.stat();
    if (!before.isFile()) throw new Error("it is not a file");
    const opened = handle;
    return {
      handle,
      size: before.size,
      async checkUnchanged() {
        const now = await stat(path).catch(() => undefined);
        if (now?.mtimeMs === before.mtimeMs && now.size === before.size) return;
        throw new DiskError("io", `The disk ${path} was written to while it was packed. Pack it again.`);
      },
      close: () => opened.close(),
    };
  } catch (error) {
    await handle?.close();
    throw new DiskError("invalid", `The disk ${path} cannot be read: ${asError(error).message}.`, {
      cause: error,
    });
  }
}

/** What a file begins with, and what qemu-img calls that format. */
const FORMATS: [begin: string | Uint8Array, format: string][] = [
  [Uint8Array.of(0x51, 0x46, 0x49, 0xfb), "qcow2"],
  ["KDMV", "vmdk"],
  ["# Disk DescriptorFile", "vmdk"],
  ["COWD", "vmdk"],
  ["vhdxfile", "vhdx"],
  ["conectix", "vpc"],
  ["<<< ", "vdi"],
  ["WithoutFreeSpace", "parallels"],
  ["WithouFreSpacExt", "parallels"],
  [Uint8Array.of(0x51, 0x45, 0x44, 0), "qed"],
];

const COMPRESSED: [begin: Uint8Array, program: string][] = [
  [Uint8Array.of(0x1f, 0x8b), "gunzip"],
  [Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a), "unxz"],
  [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), "unzstd"],
  [Uint8Array.from(Buffer.from("BZh9")), "bunzip2"],
];

/** The format for qemu-img; undefined for raw. By the content: a name says nothing. */
async function formatOf(handle: FileHandle, path: string): Promise<string | undefined> {
  const { buffer } = await handle.read(Buffer.alloc(64), 0, 64, 0);
  const begins = (begin: string | Uint8Array): boolean => {
    const bytes = Buffer.from(begin as string);
    return buffer.subarray(0, bytes.length).equals(bytes);
  };
  const compressed = COMPRESSED.find(([begin]) => begins(begin));
  if (compressed) {
    throw new DiskError(
      "invalid",
      `The disk ${path} is compressed. Unpack it first: ${compressed[1]} ${path}`,
    );
  }
  return FORMATS.find(([begin]) => begins(begin))?.[1];
}

async function convert(path: string, format: string, raw: string, options: Options): Promise<void> {
  const { onProgress, signal } = options;
  signal?.throwIfAborted();
  const args = ["convert", "-p", "-f", format, "-O", "raw", "--", path, raw];
  const child = spawn("qemu-img", args, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => {
    child.kill();
  };
  signal?.addEventListener("abort", stop, { once: true });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2000)));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)\s*$/.exec(text)?.[1];
    if (percent !== undefined) onProgress(Number(percent), 100);
  });
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    signal?.throwIfAborted();
    if (status !== 0) {
      const reason = said.trim().split("\n").at(-1) ?? "";
      throw new DiskError("invalid", `The disk ${path} cannot be converted: ${reason || "qemu-img failed"}.`);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new DiskError(
        "invalid",
        `The disk ${path} is not raw (${format}), and qemu-img, which converts it, is not on this machine. ` +
          "Install it: apt-get install qemu-utils",
        { cause: error },
      );
    }
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
