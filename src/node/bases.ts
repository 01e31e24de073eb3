import { statSync } from "node:fs";
import { join } from "node:path";
import type { DiskBase } from "../backends/disk/base.ts";
import { openImageFolder } from "../backends/disk/image/folder.ts";
import { openHttpImage } from "../backends/disk/image/http.ts";
import type { ImageOptions } from "../backends/disk/image/options.ts";
import { openRawBase } from "../backends/disk/raw-base.ts";

export interface BaseOptions extends ImageOptions {
  /** The folder of the guest images, which have root disks. */
  images: string;
  /** Milliseconds that a read waits for a server that does not answer. */
  timeoutMs: number;
}

/**
 * Opens what a disk's `base` stands for in Node: the root disk of the image of that name; or, with a `/` or a `.` in it, a URL,
 * the path of a packed image (its folder or index.json), or that of a raw disk image. Rejects with a DiskError.
 */
export function openBase(base: string, { images, timeoutMs, ...options }: BaseOptions): Promise<DiskBase> {
  if (/^https?:/i.test(base)) return openHttpImage(base, { ...options, timeoutMs });
  const path = rawImagePath(base);
  if (path !== undefined) return Promise.resolve(openRawBase(path));
  if (isPath(base)) return openImageFolder(base, options);
  return openImageFolder(join(images, base, "disk"), { label: `The image "${base}"`, ...options });
}

/** The path of the raw disk image that a `base` stands for; undefined when it stands for something else. */
export function rawImagePath(base: string): string | undefined {
  const isPacked = /^https?:/i.test(base) || !isPath(base) || base.endsWith(".json") || isFolder(base);
  return isPacked ? undefined : base;
}

function isPath(base: string): boolean {
  return /[/.]/.test(base);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
