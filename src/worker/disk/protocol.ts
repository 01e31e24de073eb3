/** What the page and the worker of the disks say to each other. Everything here can be cloned or transferred. */
import type { DiskHolder } from "../../backends/disk/disk-lock.ts";
import type { ExportFormat } from "../../backends/disk/transfer/export.ts";

export type { DiskHolder, ExportFormat };
export { DISKS_CHANNEL } from "../../backends/disk/channel.ts";

/** A disk of this browser, as the list shows it. */
export interface DiskListing {
  /** Stands for the disk in all calls; never changes. */
  database: string;
  name: string;
  /** Bytes; undefined while the disk cannot be opened, for `problem`'s reason. */
  size: number | undefined;
  /** Bytes that are stored for it. */
  stored: number | undefined;
  /** Date and time, ISO 8601. */
  created: string;
  /** What it shows where nothing was written, as in `The image "debian"`. */
  base: string | undefined;
  /** That base as a configuration has it. */
  baseName: string | undefined;
  /** Who has it open. */
  holders: DiskHolder[];
  /** It is open, perhaps by somebody who did not say who he is. */
  inUse: boolean;
  /** Milliseconds since 1970 at which it is removed for good; undefined while it is not deleted. */
  removal: number | undefined;
  problem: string | undefined;
}

/** Something that takes its time, under a number that the caller chose. Progress goes to the listener. */
export type JobId = number;

/** Calls that the worker takes (through comlink). They reject with an Error whose message is a sentence for a person. */
export interface DiskApi {
  /** First of all. `tab` is the page's, as in what the locks say. */
  connect(tab: string, listener: DiskListener): void;
  list(): Promise<DiskListing[]>;
  /** @param size bytes */
  create(name: string, size: number): Promise<void>;
  rename(database: string, name: string): Promise<void>;
  /** Deletes it so that it can be brought back, until `removal`. */
  remove(database: string): Promise<void>;
  /** Resolves with the name that it has now: another one if its own was taken meanwhile. */
  restore(database: string): Promise<string>;
  /** Removes a deleted disk for good, now. */
  purge(database: string): Promise<void>;
  /** Drops all that was written. */
  reset(database: string): Promise<void>;
  /** Resolves with the copy's name. */
  duplicate(database: string, job: JobId): Promise<string>;
  /** Makes a disk of a file (raw, gzip, qcow2); resolves with its name, made of the file's. */
  import(file: Blob, fileName: string, job: JobId): Promise<string>;
  /** Writes a disk into `target`, or into a file in the browser that `discard` removes, with what it resolves with. */
  export(
    database: string,
    format: ExportFormat,
    target: FileSystemFileHandle | undefined,
    job: JobId,
  ): Promise<ExportedFile | undefined>;
  discard(key: string): Promise<void>;
  /** A disk's bytes as a stream: raw with all its zeros, or gzip. The disk is open until it ends. */
  read(name: string, format: ExportFormat): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** Bytes of images that were downloaded and kept. */
  cached(): Promise<number>;
  clearCached(): Promise<void>;
  /** The job rejects soon, and leaves nothing behind. */
  cancel(job: JobId): void;
}

export interface ExportedFile {
  file: File;
  key: string;
}

export interface DiskListener {
  /** @param progress from 0 to 1 */
  onProgress(job: JobId, progress: number): void;
}
