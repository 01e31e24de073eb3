import { bytesText } from "../../../virtio/view/bytes-text.ts";
import type { NamedValue } from "../../../virtio/view/types.ts";
import type { DiskBase } from "../base.ts";
import { DiskError } from "../errors.ts";
import { chunkCount, chunkLength, identityOf, type ImageIndex } from "./format.ts";
import type { ImageCounters, ImageStatus } from "./options.ts";
import type { Parts } from "./parts.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { ChunkTable } from "./table.ts";

/** Bytes that are fetched ahead of one stream at most. */
const LONGEST_AHEAD = 1024 ** 2;
/** And chunks, where they are small. */
const MOST_AHEAD = 32;

export interface ImageDiskParts {
  label: string;
  index: ImageIndex;
  table: ChunkTable;
  parts: Parts;
  counters: ImageCounters;
  status: () => ImageStatus;
  /** Fetches ahead of whoever reads. */
  readAhead: boolean;
  close: (reason: DiskError) => Promise<void>;
}

/** A packed image as a disk that is only read. Use openHttpImage or openImageFolder. */
export class ImageDisk implements DiskBase {
  readonly label: string;
  readonly index: Readonly<ImageIndex>;
  readonly counters: Readonly<ImageCounters>;
  readonly #table: ChunkTable;
  readonly #parts: Parts;
  readonly #readAhead: ReadAhead | undefined;
  readonly #status: () => ImageStatus;
  readonly #close: (reason: DiskError) => Promise<void>;
  #closed: DiskError | undefined;
  #closing: Promise<void> | undefined;

  constructor({ label, index, table, parts, counters, status, readAhead, close }: ImageDiskParts) {
    this.label = label;
    this.index = index;
    this.counters = counters;
    this.#table = table;
    this.#parts = parts;
    this.#status = status;
    this.#close = close;
    if (readAhead)
      this.#readAhead = new ReadAhead(Math.min(Math.max(2, LONGEST_AHEAD / index.chunkSize), MOST_AHEAD));
  }

  get size(): number {
    return this.index.size;
  }

  get identity(): string {
    return identityOf(this.index);
  }

  /** Whether the image waits for its server. */
  get status(): ImageStatus {
    return this.#status();
  }

  state(): NamedValue[] {
    const { requests, bytesFetched, retries, cacheHits, readAhead, readAheadUsed } = this.counters;
    const { state, reason } = this.status;
    return [
      { name: "image's source", value: state === "ok" ? "answers" : `stalled: ${reason}` },
      { name: "image requests", value: `${requests}, ${bytesText(bytesFetched)}, ${retries} repeated` },
      { name: "image parts from the local cache", value: `${cacheHits}` },
      { name: "image chunks read ahead", value: `${readAhead}, ${readAheadUsed} of them used` },
    ];
  }

  holds(offset: number, length: number): boolean {
    const { first, end } = this.#chunks(offset, length);
    for (let number = first; number < end; number++) if (!this.#table.isZero(number)) return true;
    return false;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#closed) throw this.#closed;
    const { first, end } = this.#chunks(offset, length);
    const bytes = new Uint8Array(length);
    const waits: Promise<void>[] = [];
    for (let number = first; number < end; number++) {
      if (this.#table.isZero(number)) continue;
      const digest = this.#table.digest(number);
      const present = this.#parts.inMemory(digest);
      const take = (chunk: Uint8Array): void => this.#copy(chunk, number, bytes, offset);
      if (present) take(present);
      else waits.push(this.#parts.get(digest, chunkLength(this.index, number)).then(take));
    }
    if (end > first) this.#fetchAhead(first, end - 1);
    if (waits.length > 0) await Promise.all(waits);
    return bytes;
  }

  /** The first chunk of each content that is stored, in their order. */
  differentChunks(): number[] {
    const seen = new Set<string>();
    const numbers: number[] = [];
    for (let number = 0; number < this.#table.chunks; number++) {
      if (this.#table.isZero(number) || seen.has(this.#table.digest(number))) continue;
      seen.add(this.#table.digest(number));
      numbers.push(number);
    }
    return numbers;
  }

  /** Chunks that have only zeros. */
  zeroChunks(): number {
    let count = 0;
    for (let number = 0; number < this.#table.chunks; number++) if (this.#table.isZero(number)) count++;
    return count;
  }

  /** Ends what is under way with a DiskError "gone". */
  dispose(): Promise<void> {
    this.#closed ??= new DiskError("gone", `${this.label} is closed.`);
    this.#closing ??= this.#close(this.#closed);
    return this.#closing;
  }

  /** The chunks of a range, which may be beyond the end. */
  #chunks(offset: number, length: number): { first: number; end: number } {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
      throw new DiskError("invalid", `${this.label} has no range of ${length} bytes at ${offset}.`);
    }
    const { chunkSize } = this.index;
    const end = Math.min(Math.ceil((offset + length) / chunkSize), chunkCount(this.index));
    return { first: Math.floor(offset / chunkSize), end: length === 0 ? 0 : end };
  }

  #copy(chunk: Uint8Array, number: number, into: Uint8Array, offset: number): void {
    const at = number * this.index.chunkSize - offset;
    const begin = Math.max(0, -at);
    const end = Math.min(chunk.length, into.length - at);
    if (end > begin) into.set(chunk.subarray(begin, end), at + begin);
  }

  #fetchAhead(first: number, last: number): void {
    const ahead = this.#readAhead?.note(first, last) ?? [];
    if (ahead.length === 0) return;
    const count = chunkCount(this.index);
    let trigger = last;
    while (trigger > first && this.#table.isZero(trigger)) trigger--;
    const remote = !this.#table.isZero(trigger) && this.#parts.isRemote(this.#table.digest(trigger));
    for (const number of ahead) {
      if (number < 0 || number >= count || this.#table.isZero(number)) continue;
      this.#parts.ahead(this.#table.digest(number), chunkLength(this.index, number), remote);
    }
  }
}
