/** What takes its time: a disk made of a file, a copy, a disk's content on its way out. */
import type { DiskBase } from "../../backends/disk/base.ts";
import { SECTOR, checkCapacity, sizeText } from "../../backends/disk/capacity.ts";
import { type CatalogEntry, labelOf, takenNames } from "../../backends/disk/catalog.ts";
import { type DiskHolder, lockDisk } from "../../backends/disk/disk-lock.ts";
import { freeName } from "../../backends/disk/disk-name.ts";
import { DiskError } from "../../backends/disk/errors.ts";
import { CHUNK_SIZE, DiskDatabase } from "../../backends/disk/idb-database.ts";
import { makeDisk } from "../../backends/disk/idb-make.ts";
import { checkBase } from "../../backends/disk/overlay-base.ts";
import { ChunkSink } from "../../backends/disk/transfer/chunk-sink.ts";
import { contentOf } from "../../backends/disk/transfer/content.ts";
import { openImport } from "../../backends/disk/transfer/import-file.ts";
import type { Piece } from "../../backends/disk/transfer/source.ts";
import { DISK } from "../../config/defaults.ts";

const TIMEOUT = 10_000;

/** Chunks that are copied in one transaction. */
const COPIED_AT_ONCE = 128;

export interface Job {
  signal: AbortSignal;
  /** From 0 to 1. */
  onProgress: (progress: number) => void;
  holder: DiskHolder;
}

/** Makes a disk of a file; resolves with its name, which is `wanted` where that is free. Rejects with a DiskError. */
export async function importDisk(
  file: Blob,
  wanted: string,
  { signal, onProgress, holder }: Job,
): Promise<string> {
  const source = await openImport(file);
  if (source.size !== undefined) checkSize(source.size);
  // What is compressed will be larger here; a raw file may be mostly zeros, which take no room.
  if (source.format !== "raw") await checkRoom(file.size);
  const name = freeName(wanted, await takenNames());
  const disk = { size: source.size ?? SECTOR, holder: { ...holder, title: "an import" } };
  await makeDisk(name, disk, async (database) => {
    const sink = new ChunkSink(database, CHUNK_SIZE);
    let end = 0;
    for await (const piece of source.pieces()) {
      signal.throwIfAborted();
      end = piece.offset + piece.data.length;
      if (end > DISK.most) checkSize(end);
      await sink.put(piece);
      onProgress(source.progress);
    }
    await sink.end();
    signal.throwIfAborted();
    if (source.size === undefined) await database.setCapacity(wholeSectors(end));
  });
  return name;
}

/** Makes a disk with the same content over the same base; resolves with its name. Rejects with a DiskError. */
export async function duplicateDisk(entry: CatalogEntry, job: Job): Promise<string> {
  const name = freeName(entry.name, await takenNames());
  await withDisk(entry, { ...job.holder, title: "a duplicate is made" }, async (source) => {
    const { chunks, holes } = await source.contents();
    const { size, base, chunkSize } = source.record;
    await checkRoom(chunks.size * chunkSize);
    await makeDisk(name, { size, base, chunkSize, holder: job.holder }, async (target) => {
      const numbers = [...chunks].sort((a, b) => a - b);
      if (holes.size > 0) await target.save([], [], [...holes]);
      for (let at = 0; at < numbers.length; at += COPIED_AT_ONCE) {
        job.signal.throwIfAborted();
        job.onProgress(at / numbers.length);
        const some = numbers.slice(at, at + COPIED_AT_ONCE);
        const data = await source.load(some);
        const copies = data.map((bytes, index): [number, Uint8Array] => {
          if (!(bytes instanceof Uint8Array)) throw bytes;
          return [some[index]!, bytes];
        });
        await target.save(copies, []);
      }
    });
  });
  return name;
}

/** A disk that is open for reading. */
export interface OpenContent {
  /** Bytes. */
  size: number;
  /** With the base's bytes; may be taken once. */
  pieces: AsyncIterable<Piece>;
  close(): Promise<void>;
}

/** Opens what a disk shows, changes over base. `openBase` finds a base by its name in a configuration. Rejects with a DiskError. */
export async function openContent(
  entry: CatalogEntry,
  holder: DiskHolder,
  openBase: (name: string) => Promise<DiskBase>,
): Promise<OpenContent> {
  const { database, release } = await openShared(entry, { ...holder, title: "an export" });
  let base: DiskBase | undefined;
  const close = async () => {
    database.close();
    release();
    await base?.dispose();
  };
  try {
    const { size, chunkSize, base: recorded } = database.record;
    if (recorded) {
      if (entry.base === undefined) {
        throw new DiskError(
          "invalid",
          `${labelOf(entry.name)} has the changes to ${recorded.label}, of which this browser does not know where it is. ` +
            "Start a machine with the disk once, then export it.",
        );
      }
      base = await openBase(entry.base);
      checkBase(labelOf(entry.name), recorded, base);
    }
    const { chunks: stored, holes } = await database.contents();
    const pieces = contentOf({
      size,
      chunkSize,
      stored,
      holes,
      base,
      load: (numbers) => database.load(numbers),
    });
    return { size, pieces, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function withDisk(
  entry: CatalogEntry,
  holder: DiskHolder,
  work: (database: DiskDatabase) => Promise<void>,
): Promise<void> {
  const { database, release } = await openShared(entry, holder);
  try {
    await work(database);
  } finally {
    database.close();
    release();
  }
}

/** Opens a disk's database to read it, beside others who read. */
async function openShared(
  { database: name, name: diskName }: CatalogEntry,
  holder: DiskHolder,
): Promise<{ database: DiskDatabase; release: () => void }> {
  const label = labelOf(diskName);
  const release = await lockDisk(name, label, { mode: "shared", holder, patience: 200 });
  try {
    const database = await DiskDatabase.open(name, { label, timeout: TIMEOUT, readOnly: true });
    if (!database) throw new DiskError("gone", `${label} is no longer there.`);
    return { database, release };
  } catch (error) {
    release();
    throw error;
  }
}

function checkSize(bytes: number): void {
  checkCapacity(wholeSectors(bytes), "The disk");
  if (bytes > DISK.most)
    throw new DiskError("invalid", `The disk is larger than ${sizeText(DISK.most)}, which is the most.`);
}

/** Rejects with a DiskError "full" when the browser will not have that much room. */
async function checkRoom(bytes: number): Promise<void> {
  const { quota, usage } = await navigator.storage.estimate();
  if (quota === undefined || usage === undefined || bytes <= quota - usage) return;
  const left = Math.max(0, Math.floor((quota - usage) / 1024 ** 2));
  const needed = Math.ceil(bytes / 1024 ** 2);
  throw new DiskError(
    "full",
    `It needs at least ${needed} MiB, and the browser has ${left} MiB left for this site. Delete disks that are not needed.`,
  );
}

function wholeSectors(bytes: number): number {
  return Math.max(SECTOR, Math.ceil(bytes / SECTOR) * SECTOR);
}
