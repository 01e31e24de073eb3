/** Loads a guest image over HTTP: every byte counted, every file's size and checksum verified. */
import { sha256 } from "../backends/disk/image/decode.ts";
import type { GuestImage, ImageFile, ImageManifest } from "../machine/image.ts";
import { readManifest } from "../machine/manifest.ts";
import { counted, DownloadError, request, type ProgressListener } from "./download.ts";

/**
 * Loads the manifest of the image `name` from `images/NAME/` below `base`.
 * Rejects with a DownloadError or an ImageError: a plain sentence on what is missing or not what was promised.
 */
export async function loadManifest(name: string, base: URL, signal: AbortSignal): Promise<ImageManifest> {
  const url = new URL("manifest.json", folderOf(name, base));
  const what = `The guest image "${name}"`;
  const response = await request(url, what, signal);
  let manifest: unknown;
  try {
    manifest = await response.json();
  } catch (error) {
    signal.throwIfAborted();
    throw new DownloadError(`${what} has a manifest that is cut short or no JSON (${url.pathname}).`, {
      cause: error,
    });
  }
  return readManifest(manifest, `The file ${url.pathname}`, name);
}

/** Loads the files that the manifest of the image `name` tells of. Rejects as loadManifest does, or as `manifest` did. */
export async function loadImage(
  name: string,
  manifest: Promise<ImageManifest>,
  base: URL,
  onProgress: ProgressListener,
  signal: AbortSignal,
): Promise<GuestImage> {
  const { files } = await manifest;
  const folder = folderOf(name, base);
  const { kernel, initrd } = files;
  const [kernelBytes, initrdBytes] = await Promise.all([
    loadFile("Kernel", kernel, new URL(kernel.path, folder), onProgress, signal),
    loadFile("Initial file system", initrd, new URL(initrd.path, folder), onProgress, signal),
  ]);
  return { manifest: await manifest, kernel: kernelBytes, initrd: initrdBytes };
}

function folderOf(name: string, base: URL): URL {
  return new URL(`images/${encodeURIComponent(name)}/`, base);
}

async function loadFile(
  name: string,
  file: ImageFile,
  url: URL,
  onProgress: ProgressListener,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const what = `${name} (${file.path})`;
  const response = await request(url, what, signal);
  let received = 0;
  const stored = counted(response.body!, { name, total: file.storedSize }, (progress) => {
    received = progress.received;
    onProgress(progress);
  });
  const decoded = file.encoding === "gzip" ? stored.pipeThrough(new DecompressionStream("gzip")) : stored;

  let bytes: Uint8Array<ArrayBuffer> | undefined;
  let failure: unknown;
  try {
    bytes = await collect(decoded, file.size);
  } catch (error) {
    signal.throwIfAborted();
    failure = error;
  }
  // Broken connections and files that are short on the server look alike from here; a damaged gzip stream does not.
  if (received < file.storedSize) {
    throw new DownloadError(
      `${what} arrived cut short: ${received} of ${file.storedSize} bytes. The connection broke, or the file on the ` +
        "server is incomplete.",
      { cause: failure },
    );
  }
  if (!bytes)
    throw new DownloadError(`${what} is damaged: it is not what the image's manifest says.`, {
      cause: failure,
    });
  const sum = await sha256(bytes);
  if (sum !== file.sha256) {
    throw new DownloadError(`${what} has a wrong checksum: SHA-256 ${sum}, expected ${file.sha256}.`);
  }
  return bytes;
}

/** Reads a stream of exactly `size` bytes; undefined when it is shorter or longer. Never holds more than `size`. */
async function collect(
  stream: ReadableStream<Uint8Array>,
  size: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return filled === size ? bytes : undefined;
    if (filled + value.length > size) {
      await reader.cancel();
      return undefined;
    }
    bytes.set(value, filled);
    filled += value.length;
  }
}
