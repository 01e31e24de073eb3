import { transfer } from "comlink";
import type { DiskBase } from "../../backends/disk/base.ts";
import {
  KEPT_AFTER_DELETE,
  type CatalogEntry,
  catalogEntries,
  labelOf,
  markDeleted,
  removeDisk,
  renameDisk,
  restoreDisk,
  sweepDisks,
} from "../../backends/disk/catalog.ts";
import { DISKS_CHANNEL, announceDisks } from "../../backends/disk/channel.ts";
import { checkCapacity } from "../../backends/disk/capacity.ts";
import { type DiskHolder, diskHolders, lockDisk } from "../../backends/disk/disk-lock.ts";
import { nameFrom } from "../../backends/disk/disk-name.ts";
import { DiskError, asError } from "../../backends/disk/errors.ts";
import { DiskDatabase } from "../../backends/disk/idb-database.ts";
import { type BaseRecord, recordOf } from "../../backends/disk/overlay-base.ts";
import { clearImageCache, imageCacheSize } from "../../backends/disk/image/cache-database.ts";
import { makeDisk } from "../../backends/disk/idb-make.ts";
import { exportTo, inOrder } from "../../backends/disk/transfer/export.ts";
import { heldLocks } from "../../backends/disk/web-lock.ts";
import { entries, kindOf } from "../../config/options.ts";
import { BadValue } from "../../config/values.ts";
import { type Job, duplicateDisk, importDisk, openContent } from "./jobs.ts";
import type { DiskApi, DiskListener, DiskListing, ExportFormat, ExportedFile, JobId } from "./protocol.ts";
import { chosenFile, discardFile, privateFile, sweepFiles } from "./targets.ts";

/** Milliseconds after which the usage of a disk that a machine writes is looked at again, and that progress is told. */
const FRESH = 5000;
const PROGRESS_EVERY = 150;
/** Milliseconds to wait for a lock: a person waits for the answer, who can try again. */
const PATIENCE = 200;

interface Measure {
  at: number;
  size?: number;
  stored?: number;
  created?: string;
  base?: string;
  problem?: string;
}

/** The worker's side of the disks panel. */
export class DiskService implements DiskApi {
  readonly #openBase: (name: string) => Promise<DiskBase>;
  readonly #jobs = new Map<JobId, AbortController>();
  readonly #measures = new Map<string, Measure>();
  #listener: DiskListener | undefined;
  #tab = "";
  #sweep: ReturnType<typeof setTimeout> | undefined;

  /** @param openBase opens a base by its name in a configuration */
  constructor(openBase: (name: string) => Promise<DiskBase>) {
    this.#openBase = openBase;
    new BroadcastChannel(DISKS_CHANNEL).onmessage = () => this.#measures.clear();
  }

  connect(tab: string, listener: DiskListener): void {
    this.#tab = tab;
    this.#listener = listener;
    void sweepFiles();
    void this.#sweepDisks();
  }

  async list(): Promise<DiskListing[]> {
    const [entries, holders, locked] = await Promise.all([catalogEntries(), diskHolders(), heldLocks()]);
    return Promise.all(
      entries.map(async (entry): Promise<DiskListing> => {
        const { database, name, deleted } = entry;
        const inUse = locked.has(database);
        const measure = await this.#measured(entry, inUse);
        return {
          database,
          name,
          size: measure.size,
          stored: measure.stored,
          created: measure.created ?? entry.created,
          base: measure.base,
          baseName: entry.base,
          holders: holders.get(database) ?? [],
          inUse,
          removal: deleted === undefined ? undefined : Date.parse(deleted) + KEPT_AFTER_DELETE,
          problem: measure.problem,
        };
      }),
    );
  }

  async create(name: string, size: number): Promise<void> {
    checkName(name);
    checkCapacity(size, labelOf(name));
    await makeDisk(name, { size, holder: this.#holder("it is being made") });
    announceDisks();
  }

  async rename(database: string, name: string): Promise<void> {
    checkName(name);
    await this.#alone(database, () => renameDisk(database, name));
  }

  async remove(database: string): Promise<void> {
    await this.#alone(database, () => markDeleted(database));
    await this.#sweepDisks();
  }

  restore(database: string): Promise<string> {
    return restoreDisk(database);
  }

  purge(database: string): Promise<void> {
    return this.#alone(database, async (entry) => {
      if (entry.deleted === undefined) throw new DiskError("invalid", "The disk is not deleted.");
      await removeDisk(entry);
    });
  }

  async reset(database: string): Promise<void> {
    await this.#alone(database, async ({ name, base: baseName }) => {
      const label = labelOf(name);
      const connection = await DiskDatabase.open(database, { label, timeout: 10_000 });
      if (!connection) throw new DiskError("gone", `${label} is no longer there.`);
      try {
        await connection.reset(connection.record.base && (await this.#presentBase(baseName)));
      } finally {
        connection.close();
      }
    });
    announceDisks();
  }

  async duplicate(database: string, id: JobId): Promise<string> {
    const entry = await entryOf(database);
    return this.#job(id, (job) => duplicateDisk(entry, job));
  }

  import(file: Blob, name: string, id: JobId): Promise<string> {
    return this.#job(id, (job) => importDisk(file, nameFrom(name), job));
  }

  async export(
    database: string,
    format: ExportFormat,
    target: FileSystemFileHandle | undefined,
    id: JobId,
  ): Promise<ExportedFile | undefined> {
    const entry = await entryOf(database);
    return this.#job(id, async (job) => {
      // First the disk: when it is busy, no file is made.
      const content = await openContent(entry, job.holder, this.#openBase);
      try {
        const file = await (target ? chosenFile(target) : privateFile());
        try {
          await exportTo(file, format, content.pieces, { ...job, size: content.size });
          return await file.close();
        } catch (error) {
          await file.abort();
          throw error;
        }
      } finally {
        await content.close();
      }
    });
  }

  async discard(key: string): Promise<void> {
    await discardFile(key);
  }

  async read(name: string, format: ExportFormat): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const entry = (await catalogEntries()).find(
      (other) => other.name === name && other.deleted === undefined,
    );
    if (!entry) throw new DiskError("invalid", `There is no disk "${name}" in this browser.`);
    const content = await openContent(entry, this.#holder("an export"), this.#openBase);
    const closing = async function* () {
      try {
        yield* content.pieces;
      } finally {
        await content.close();
      }
    };
    const { size } = content;
    const { signal } = new AbortController();
    const raw = inOrder(closing(), { size, signal, onProgress: () => undefined });
    const stream = format === "raw" ? raw : raw.pipeThrough(new CompressionStream("gzip"));
    return transfer(stream, [stream as unknown as Transferable]);
  }

  cached(): Promise<number> {
    return imageCacheSize();
  }

  async clearCached(): Promise<void> {
    await clearImageCache();
    announceDisks();
  }

  cancel(id: JobId): void {
    this.#jobs.get(id)?.abort(new DiskError("gone", "It was cancelled."));
  }

  /** Runs a job that can be cancelled and says how far it is. */
  async #job<T>(id: JobId, work: (job: Job) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    this.#jobs.set(id, stop);
    let told = 0;
    const onProgress = (progress: number) => {
      const now = performance.now();
      if (now - told < PROGRESS_EVERY) return;
      told = now;
      this.#listener?.onProgress(id, Math.min(1, progress));
    };
    try {
      return await work({ signal: stop.signal, onProgress, holder: this.#holder("it is being made") });
    } finally {
      this.#jobs.delete(id);
      announceDisks();
    }
  }

  /** Does `work` while nobody has the disk open. Rejects with a DiskBusyError that says who has it. */
  async #alone(database: string, work: (entry: CatalogEntry) => Promise<void>): Promise<void> {
    const { name } = await entryOf(database);
    const holder = this.#holder("it is being changed");
    const release = await lockDisk(database, labelOf(name), {
      mode: "exclusive",
      holder,
      patience: PATIENCE,
    });
    try {
      await work(await entryOf(database));
    } finally {
      release();
      this.#measures.delete(database);
    }
  }

  async #measured({ database, name, deleted }: CatalogEntry, inUse: boolean): Promise<Measure> {
    const known = this.#measures.get(database);
    if (known && !(inUse && Date.now() - known.at > FRESH)) return known;
    const measure = await measured(database, labelOf(name));
    // One that is deleted keeps its size, too.
    if (!inUse || deleted !== undefined || measure.problem === undefined)
      this.#measures.set(database, measure);
    return measure;
  }

  async #sweepDisks(): Promise<void> {
    clearTimeout(this.#sweep);
    const next = await sweepDisks().catch(() => undefined); // the list tells what is wrong
    if (next !== undefined) this.#sweep = setTimeout(() => void this.#sweepDisks(), next + 100);
  }

  /** What the base is now: an image may have been made anew. Undefined when nobody can say: then it stays what it was. */
  async #presentBase(name: string | undefined): Promise<BaseRecord | undefined> {
    if (name === undefined) return undefined;
    try {
      const base = await this.#openBase(name);
      const record = recordOf(base);
      await base.dispose();
      return record;
    } catch {
      return undefined;
    }
  }

  #holder(title: string): DiskHolder {
    return { tab: this.#tab, title, since: Date.now() };
  }
}

async function measured(database: string, label: string): Promise<Measure> {
  const at = Date.now();
  try {
    const connection = await DiskDatabase.open(database, { label, timeout: 10_000, readOnly: true });
    if (!connection) return { at, problem: "It was deleted just now." };
    try {
      const { size, created, base } = connection.record;
      return { at, size, created, stored: await connection.stored(), ...(base && { base: base.label }) };
    } finally {
      connection.close();
    }
  } catch (error) {
    return { at, problem: asError(error).message };
  }
}

async function entryOf(database: string): Promise<CatalogEntry> {
  const entry = (await catalogEntries()).find((other) => other.database === database);
  if (!entry) throw new DiskError("gone", "The disk is no longer there.");
  return entry;
}

/** Throws a DiskError unless a machine's configuration could have the name. */
function checkName(name: string): void {
  const id = entries(kindOf("blk").options).find(([key]) => key === "id");
  try {
    id?.[1].type.parse(name);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new DiskError("invalid", `This cannot be its name. Expected: ${error.expected}.`, { cause: error });
  }
}
