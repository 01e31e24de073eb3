import { openHttpImage } from "../backends/disk/image/http.ts";
import type { ImageDisk } from "../backends/disk/image/image-disk.ts";
import type { HttpImageOptions } from "../backends/disk/image/options.ts";

/**
 * Opens what a disk's `base` stands for in a browser: the disk of the image of that name, or with a `/` in it the address of a
 * packed image, relative to the page's. Rejects with a DiskError, or the signal's reason.
 *
 * @param site where the page's files are served from
 */
export function openBase(base: string, site: URL, options: HttpImageOptions = {}): Promise<ImageDisk> {
  const isName = !base.includes("/");
  const address = isName ? new URL(`images/${encodeURIComponent(base)}/disk/`, site) : new URL(base, site);
  return openHttpImage(address, { label: isName ? `The image "${base}"` : `The image ${base}`, ...options });
}
