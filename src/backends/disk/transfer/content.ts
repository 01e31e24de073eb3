import type { DiskBase } from "../base.ts";
import type { DiskError } from "../errors.ts";
import type { Piece } from "./source.ts";

/** What a disk's store has, and what is below. */
export interface StoredContent {
  /** Bytes. */
  readonly size: number;
  readonly chunkSize: number;
  /** Chunks that are stored. */
  readonly stored: ReadonlySet<number>;
  /** Chunks that read as zeros, whatever the base has. */
  readonly holes: ReadonlySet<number>;
  readonly base: DiskBase | undefined;
  /** For each of them its bytes, or why they cannot be read. */
  load(numbers: readonly number[]): Promise<(Uint8Array | DiskError)[]>;
}

/** Bytes fetched at a time; the next lot is fetched while one is used. */
const BATCH = 2 * 1024 * 1024;

interface Run {
  /** Number of its first chunk, and how many. */
  first: number;
  count: number;
  stored: boolean;
}

/** What a disk holds, in the order of the disk, without its zeros (as far as they are known without reading). */
export async function* contentOf(disk: StoredContent): AsyncGenerator<Piece> {
  let next: Promise<Piece[]> | undefined;
  for (const runs of batches(disk)) {
    const fetched = fetch(disk, runs);
    fetched.catch(() => undefined); // it is awaited below, perhaps after another one failed
    if (next) yield* await next;
    next = fetched;
  }
  if (next) yield* await next;
}

async function fetch(disk: StoredContent, runs: readonly Run[]): Promise<Piece[]> {
  const { chunkSize, size } = disk;
  const pieces = await Promise.all(
    runs.map(async ({ first, count, stored }): Promise<Piece[]> => {
      const offset = first * chunkSize;
      if (!stored) return [{ offset, data: await disk.base!.read(offset, count * chunkSize) }];
      const numbers = Array.from({ length: count }, (_, index) => first + index);
      const chunks = await disk.load(numbers);
      return chunks.map((data, index) => {
        // Half a disk would be worth less than none: nobody could tell which half.
        if (!(data instanceof Uint8Array)) throw data;
        return { offset: offset + index * chunkSize, data };
      });
    }),
  );
  // The last chunk may reach beyond the disk's end.
  return pieces
    .flat()
    .map(({ offset, data }) => ({ offset, data: data.subarray(0, Math.max(0, size - offset)) }));
}

/** Runs of chunks with something in them, in lots of a bounded size. */
function* batches(disk: StoredContent): Generator<Run[]> {
  const most = Math.max(1, Math.floor(BATCH / disk.chunkSize));
  let batch: Run[] = [];
  let room = most;
  for (const number of present(disk)) {
    const stored = disk.stored.has(number);
    const last = batch.at(-1);
    if (last && last.stored === stored && last.first + last.count === number) last.count++;
    else batch.push({ first: number, count: 1, stored });
    if (--room > 0) continue;
    yield batch;
    batch = [];
    room = most;
  }
  if (batch.length > 0) yield batch;
}

/** Numbers of the chunks that may hold something, ascending. */
function* present({ size, chunkSize, stored, holes, base }: StoredContent): Generator<number> {
  const end = Math.ceil(size / chunkSize);
  if (!base) {
    yield* [...stored].filter((number) => number < end).sort((a, b) => a - b);
    return;
  }
  for (let number = 0; number < end; number++) {
    if (stored.has(number)) yield number;
    else if (!holes.has(number) && base.holds(number * chunkSize, chunkSize)) yield number;
  }
}
