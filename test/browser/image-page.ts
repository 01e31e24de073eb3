/** What the pages of the image tests run; the tests reach it as `imageTools`. */
import { clearImageCache, imageCacheSize } from "../../src/backends/disk/image/cache-database.ts";
import { openHttpImage } from "../../src/backends/disk/image/http.ts";
import type { ImageDisk } from "../../src/backends/disk/image/image-disk.ts";

/** SHA-256 of all that is in the image, in hexadecimal digits. */
async function digestOf(image: ImageDisk, from = 0, length = image.size - from): Promise<string> {
  const bytes = (await image.read(from, length)) as Uint8Array<ArrayBuffer>;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const tools = { openHttpImage, imageCacheSize, clearImageCache, digestOf };

declare global {
  var imageTools: typeof tools;
  /** The image that the test has open in this page, and what the person was told. */
  var image: ImageDisk;
  var told: string[];
}

// tsx names functions by a helper that does not travel with a function that is sent into the page.
Object.assign(globalThis, { imageTools: tools, told: [], __name: <T>(value: T): T => value });
