import { checkCapacity } from "../capacity.ts";
import { DiskError } from "../errors.ts";

/** What index.json says; README.md beside this file has the format. Sizes in bytes. */
export interface ImageIndex {
  format: typeof FORMAT;
  /** Of the disk. */
  size: number;
  chunkSize: number;
  encoding: "gzip";
  /** The table's SHA-256, 64 hexadecimal digits. */
  table: string;
  /** Different chunks that are stored. Only to be shown. */
  chunks: number;
  /** Of all files but the index. Only to be shown. */
  storedSize: number;
}

export const FORMAT = 1;
export const INDEX_NAME = "index.json";
export const LARGEST_INDEX = 64 * 1024;
export const SMALLEST_CHUNK = 4096;
export const LARGEST_CHUNK = 4 * 1024 ** 2;
/** Bounds the table, 32 bytes for each, that a reader keeps in memory. */
export const MOST_CHUNKS = 2 ** 20;
/** Bytes of a SHA-256. */
export const DIGEST_SIZE = 32;

/**
 * Reads and checks the bytes of an index.json.
 * @throws DiskError "invalid"
 */
export function parseIndex(bytes: Uint8Array, label: string): ImageIndex {
  if (bytes.length > LARGEST_INDEX) throw damaged(label, `its ${INDEX_NAME} is larger than any can be`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged(label, `its ${INDEX_NAME} is not JSON`);
  }
  const { format, size, chunkSize, encoding, table, chunks, storedSize } = (value ?? {}) as Record<
    string,
    unknown
  >;
  if (typeof format === "number" && format > FORMAT) {
    throw new DiskError(
      "invalid",
      `${label} has format ${format}, and this version of Ringside knows ${FORMAT}: a newer one is needed.`,
    );
  }
  if (format !== FORMAT) throw damaged(label, `its ${INDEX_NAME} is not that of a packed image`);
  if (typeof size !== "number") throw damaged(label, "it has no size");
  checkCapacity(size, label);
  const problem = chunkSizeProblem(size, chunkSize);
  if (problem !== undefined) throw damaged(label, problem);
  if (encoding !== "gzip") throw damaged(label, `its encoding ${shown(encoding)} is not known`);
  if (typeof table !== "string" || !/^[0-9a-f]{64}$/.test(table)) {
    throw damaged(label, "it does not name its table");
  }
  for (const count of [chunks, storedSize]) {
    if (!Number.isSafeInteger(count) || (count as number) < 0) throw damaged(label, "its counts are wrong");
  }
  return { format, size, chunkSize, encoding, table, chunks, storedSize } as ImageIndex;
}

/** The text of an index.json: the same for the same image. */
export function formatIndex(index: ImageIndex): string {
  const { format, size, chunkSize, encoding, table, chunks, storedSize } = index;
  return `${JSON.stringify({ format, size, chunkSize, encoding, table, chunks, storedSize }, null, 2)}\n`;
}

/** Why a disk of `size` bytes cannot have chunks of that size; undefined when it can. */
export function chunkSizeProblem(size: number, chunkSize: unknown): string | undefined {
  const power = typeof chunkSize === "number" && Number.isInteger(Math.log2(chunkSize));
  if (!power || chunkSize < SMALLEST_CHUNK || chunkSize > LARGEST_CHUNK) {
    return `its chunk size ${shown(chunkSize)} is not a power of two from ${SMALLEST_CHUNK} to ${LARGEST_CHUNK}`;
  }
  if (Math.ceil(size / chunkSize) > MOST_CHUNKS) {
    return `it would have more than ${MOST_CHUNKS} chunks of ${chunkSize} bytes`;
  }
  return undefined;
}

/** Chunks of an image, those of zeros included. */
export function chunkCount({ size, chunkSize }: Pick<ImageIndex, "size" | "chunkSize">): number {
  return Math.ceil(size / chunkSize);
}

/** Bytes of chunk `number`: the last one may be shorter. */
export function chunkLength({ size, chunkSize }: ImageIndex, number: number): number {
  return Math.min(chunkSize, size - number * chunkSize);
}

/** Bytes of the table. */
export function tableLength(index: Pick<ImageIndex, "size" | "chunkSize">): number {
  return chunkCount(index) * DIGEST_SIZE;
}

/** Stands for the whole content of the image (DiskBase.identity). */
export function identityOf({ size, table }: ImageIndex): string {
  return `ringside-image:${size}:${table}`;
}

/** Where the table or a chunk is, relative to the index. */
export function partName(digest: string): string {
  return `chunks/${digest.slice(0, 2)}/${digest}`;
}

/** Bytes of a stored file whose content has `length` bytes, at most: what gzip adds to bytes that it cannot compress. */
export function largestStored(length: number): number {
  return length + Math.ceil(length / 1024) + 1024;
}

function damaged(label: string, what: string): DiskError {
  return new DiskError("invalid", `${label} cannot be used: ${what}.`);
}

/** A value from a stranger's file within a message. */
function shown(value: unknown): string {
  return (JSON.stringify(value) as string | undefined)?.slice(0, 40) ?? "(none)";
}
