import { asError, DiskError } from "../errors.ts";
import { ImageCache } from "./cache.ts";
import { INDEX_NAME, parseIndex } from "./format.ts";
import { HttpSource } from "./http-source.ts";
import type { ImageDisk } from "./image-disk.ts";
import { attemptIndex, openImage } from "./open.ts";
import { type HttpImageOptions, newCounters, STANDARD_TIMEOUT, STANDARD_TIMING } from "./options.ts";

/** Milliseconds that an index of the last visit waits for the server to say whether it is still right. */
const REVALIDATION = 5_000;

/**
 * Opens a packed image on an HTTP server: the absolute address of its folder or of its index.json. Reads wait for a server
 * that does not answer, up to options.timeoutMs; an index that is not there or makes no sense is refused at once.
 * Rejects with a DiskError ("invalid" for an address without a right image, "io" when the time was over, "blocked" where the
 * browser has no checksums), or options.signal's reason.
 */
export async function openHttpImage(url: string | URL, options: HttpImageOptions = {}): Promise<ImageDisk> {
  const address = indexAddress(url);
  const { label = `The image ${address.href}`, timeoutMs = STANDARD_TIMEOUT } = options;
  requireChecksums(label);
  const timing = { ...STANDARD_TIMING, ...options.timing };
  const counters = newCounters();
  const source = new HttpSource(address, counters, timing.silence);
  const cache = options.cache === false ? undefined : await ImageCache.open();
  try {
    const index = await knownIndex(cache, { address, label, source, options });
    const disk = await openImage({
      ...options,
      label,
      source,
      counters,
      timing,
      timeout: timeoutMs,
      cache,
      index,
      onNetwork,
    });
    cache?.putIndex(address.href, new TextEncoder().encode(JSON.stringify(disk.index)));
    return disk;
  } catch (error) {
    await cache?.close();
    throw error;
  }
}

interface Known {
  address: URL;
  label: string;
  source: HttpSource;
  options: HttpImageOptions;
}

/** Of an image that was here before: the index of the server, or the one of then when the server does not answer soon. */
async function knownIndex(cache: ImageCache | undefined, { address, label, source, options }: Known) {
  const { signal, onMessage } = options;
  const kept = await cache?.index(address.href);
  if (!kept || !isRight(kept, label)) return undefined;
  const limit = AbortSignal.timeout(REVALIDATION);
  try {
    return await attemptIndex(source, label, {
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      fresh: false,
      wrongBefore: false,
      onBytes: () => undefined,
    });
  } catch (error) {
    signal?.throwIfAborted();
    const reason = limit.aborted ? "the server does not answer" : asError(error).message;
    onMessage?.("info", `${label} is used as it was when it was last here. ${source.where}: ${reason}.`);
    return kept;
  }
}

function isRight(index: Uint8Array, label: string): boolean {
  try {
    parseIndex(index, label);
    return true;
  } catch {
    return false;
  }
}

/** @throws DiskError "invalid" */
function indexAddress(url: string | URL): URL {
  let address: URL;
  try {
    address = new URL(url);
  } catch (error) {
    throw new DiskError("invalid", `"${String(url)}" is not the address of an image.`, { cause: error });
  }
  if (address.protocol !== "http:" && address.protocol !== "https:") {
    throw new DiskError(
      "invalid",
      `The image ${address.href} cannot be fetched: its address begins with neither http nor https.`,
    );
  }
  address.hash = "";
  if (!address.pathname.endsWith(".json")) {
    address.pathname = `${address.pathname.replace(/\/$/, "")}/${INDEX_NAME}`;
  }
  return address;
}

function requireChecksums(label: string): void {
  // The types know only secure contexts.
  if ((crypto as { subtle?: SubtleCrypto }).subtle) return;
  throw new DiskError(
    "blocked",
    `${label} cannot be verified: the browser lets a page compute checksums only over HTTPS or on localhost.`,
  );
}

/** Browsers tell; in Node nobody does. */
function onNetwork(retry: () => void): () => void {
  const { addEventListener, removeEventListener } = globalThis as Partial<typeof globalThis>;
  if (!addEventListener || !removeEventListener) return () => undefined;
  addEventListener.call(globalThis, "online", retry);
  return () => removeEventListener.call(globalThis, "online", retry);
}
