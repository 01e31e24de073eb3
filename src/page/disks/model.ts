import { computed, signal } from "@preact/signals";
import { encode } from "../../config/escape.ts";
import { parseDisk } from "../../config/grammar.ts";
import type { BlockConfig } from "../../config/types.ts";
import type { DiskListing, ExportFormat, JobId } from "../../worker/disk/protocol.ts";
import { DISKS_CHANNEL } from "../../worker/disk/protocol.ts";
import type { PlugOutcome } from "../../worker/protocol.ts";
import type { Session } from "../session.ts";
import { withoutDisk } from "../link.ts";
import { download } from "../download.ts";
import { chooseFile, fileName } from "./save.ts";
import { TAB } from "../tab.ts";
import { DiskWorker } from "./worker.ts";

/** Milliseconds between looks at who has what open, while the list is shown. */
const interval = 1500;

export interface DiskJob {
  id: JobId;
  /** As in `Importing home.qcow2`. */
  title: string;
  /** The disk that it is about, where there is one already. */
  database: string | undefined;
  /** From 0 to 1. */
  progress: number;
  /** Why it failed. */
  error: string | undefined;
}

/** The browser's disks, as the panel shows them and scripts use them. The work is done in a worker. */
export class Disks {
  readonly open = signal(false);
  /** Undefined until it was first read. */
  readonly list = signal<readonly DiskListing[] | undefined>(undefined);
  readonly jobs = signal<readonly DiskJob[]>([]);
  readonly running = computed(() => this.jobs.value.filter(({ error }) => error === undefined).length);
  /** Bytes of images that were downloaded and are kept for the next time; undefined until they were counted. */
  readonly cached = signal<number | undefined>(undefined);
  /** What was refused, by disk; under "" what is about none. */
  readonly problems = signal<Readonly<Record<string, string>>>({});
  /** Disks that the guest still uses, which can be detached by force. */
  readonly inUseByGuest = signal<ReadonlySet<string>>(new Set());
  /** What was done, for those who hear the page. */
  readonly said = signal("");
  /** Counts what may have changed how much is stored. */
  readonly changes = signal(0);

  readonly #session: Session;
  readonly #worker: DiskWorker;
  #nextJob = 1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading = false;

  constructor(session: Session) {
    this.#session = session;
    this.#worker = new DiskWorker({
      onProgress: (id, progress) => this.#update(id, { progress }),
    });
    new BroadcastChannel(DISKS_CHANNEL).onmessage = () => {
      this.changes.value++;
      if (this.open.value) void this.refresh();
    };
    addEventListener("beforeunload", (event) => {
      if (this.running.value > 0) event.preventDefault();
    });
  }

  /** Keeps the list up to date while it is shown; returns what ends that. */
  watch(): () => void {
    const look = async () => {
      await this.refresh();
      this.#timer = setTimeout(() => void look(), interval);
    };
    clearTimeout(this.#timer);
    void look();
    return () => clearTimeout(this.#timer);
  }

  async refresh(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const [list, cached] = await this.#worker.ask((api) => Promise.all([api.list(), api.cached()]));
      this.list.value = list;
      this.cached.value = cached;
      if (this.problems.value["list"]) this.#complain("list", undefined);
    } catch (error) {
      this.#complain("list", error);
    } finally {
      this.#reading = false;
    }
  }

  /** Whether the disk is part of this page's machine. */
  inMachine({ name }: DiskListing): boolean {
    const { config, withoutDisks, temporaryDisks } = this.#session;
    const absent = [...withoutDisks.value, ...temporaryDisks.value].includes(name);
    return (
      !absent &&
      (config.value?.devices ?? []).some(
        (device) => device.device === "blk" && device.store === "idb" && device.id === name,
      )
    );
  }

  /** Who has the disk open, for a person; undefined when nobody has. */
  openIn({ holders, inUse }: DiskListing): string | undefined {
    const [holder] = holders;
    if (!holder) return inUse ? "open in another tab" : undefined;
    const since = new Date(holder.since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return `open in ${holder.tab === TAB ? "this tab" : "another tab"} (${holder.title}, since ${since})`;
  }

  /** Resolves with whether it was made. @param size bytes */
  create(name: string, size: number): Promise<boolean> {
    return this.#act("new", `The disk ${name} was made.`, (api) => api.create(name, size));
  }

  rename({ database, name: before }: DiskListing, name: string): Promise<boolean> {
    return this.#act(database, `${before} is now called ${name}.`, (api) => api.rename(database, name));
  }

  remove({ database, name }: DiskListing): Promise<boolean> {
    return this.#act(database, `${name} was deleted. It can be brought back.`, (api) => api.remove(database));
  }

  restore({ database, name }: DiskListing): Promise<boolean> {
    return this.#act(database, `${name} is back.`, (api) => api.restore(database));
  }

  purge({ database, name }: DiskListing): Promise<boolean> {
    return this.#act(database, `${name} was removed.`, (api) => api.purge(database));
  }

  reset({ database, name }: DiskListing): Promise<boolean> {
    return this.#act(database, `${name} is as it was at first.`, (api) => api.reset(database));
  }

  /** Gives the disk to this page's machine: at once when it runs. */
  async attach(disk: DiskListing): Promise<void> {
    const config = this.#session.config.value;
    if (!config) {
      this.#complain(disk.database, new Error("There is no machine to use it in."));
      return;
    }
    let device: BlockConfig;
    try {
      const base = disk.baseName === undefined ? "" : `,base=${encode(disk.baseName, "&,")}`;
      const text = `blk,id=${disk.name},store=idb,size=${disk.size ?? ""}${base}`;
      device = parseDisk(text, withoutDisk(config, disk.name).devices);
    } catch (error) {
      this.#complain(disk.database, error);
      return;
    }
    await this.#plug(disk, `${disk.name} is attached.`, this.#session.attach(device));
  }

  async detach(disk: DiskListing, force = false): Promise<void> {
    await this.#plug(disk, `${disk.name} is detached.`, this.#session.detach(disk.name, { force }));
  }

  duplicate({ database, name }: DiskListing): Promise<void> {
    return this.#run(`Duplicating ${name}`, database, async (job) => {
      const copy = await this.#worker.ask((api) => api.duplicate(database, job));
      this.said.value = `${copy} is a copy of ${name}.`;
    });
  }

  /** Makes a disk of a file. */
  import(file: File): Promise<void> {
    return this.#run(`Importing ${file.name}`, undefined, async (job) => {
      const name = await this.#worker.ask((api) => api.import(file, file.name, job));
      this.said.value = `${file.name} was imported as ${name}.`;
    });
  }

  /** To be called from a click: the browser may ask where to. */
  async export({ database, name }: DiskListing, format: ExportFormat): Promise<void> {
    this.#complain(database, undefined);
    let target: Awaited<ReturnType<typeof chooseFile>>;
    try {
      target = await chooseFile(name, format);
    } catch (error) {
      this.#complain(database, error);
      return;
    }
    if (target === "cancelled") return;
    await this.#run(`Exporting ${name}`, database, async (job) => {
      const made = await this.#worker.ask((api) => api.export(database, format, target, job));
      this.said.value = `${name} was exported.`;
      if (!made) return;
      const { file, key } = made;
      void download(file, fileName(name, format)).then(() => this.#worker.ask((api) => api.discard(key)));
    });
  }

  cancel({ id }: DiskJob): void {
    void this.#worker.ask((api) => api.cancel(id)).catch(() => undefined);
  }

  /** Takes a failed job off the list. */
  dismiss({ id }: DiskJob): void {
    this.jobs.value = this.jobs.value.filter((job) => job.id !== id);
  }

  /** Forgets what was downloaded of images; it is downloaded again when it is needed. */
  clearCache(): Promise<boolean> {
    return this.#act("cache", "The downloaded parts of images were cleared.", (api) => api.clearCached());
  }

  /** For scripts; see api.ts. */
  async entries(): Promise<DiskListing[]> {
    return this.#worker.ask((api) => api.list());
  }

  /** For scripts; see api.ts. */
  importAs(file: Blob, name: string): Promise<string> {
    const job = this.#nextJob++;
    return this.#worker.ask((api) => api.import(file, name, job));
  }

  /** For scripts; see api.ts. */
  read(name: string, format: ExportFormat): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return this.#worker.ask((api) => api.read(name, format));
  }

  async #plug({ database, name }: DiskListing, done: string, outcome: Promise<PlugOutcome>): Promise<void> {
    this.#complain(database, undefined);
    const result = await outcome;
    const used = new Set(this.inUseByGuest.value);
    used.delete(database);
    if (result.ok) {
      this.said.value = done;
    } else {
      const { problem } = result;
      if (problem.kind === "disk-in-use") used.add(database);
      const text =
        problem.kind === "superseded" ? `Another machine was started; ${name} was not.` : problem.message;
      this.#complain(database, new Error(text));
    }
    this.inUseByGuest.value = used;
    await this.refresh();
  }

  async #act(place: string, done: string, call: Parameters<DiskWorker["ask"]>[0]): Promise<boolean> {
    this.#complain(place, undefined);
    try {
      await this.#worker.ask(call);
      this.said.value = done;
      return true;
    } catch (error) {
      this.#complain(place, error);
      return false;
    } finally {
      this.changes.value++;
      await this.refresh();
    }
  }

  async #run(
    title: string,
    database: string | undefined,
    work: (job: JobId) => Promise<void>,
  ): Promise<void> {
    const id = this.#nextJob++;
    // What failed before is old news.
    const others = this.jobs.value.filter((job) => job.error === undefined || job.database !== database);
    this.jobs.value = [...others, { id, title, database, progress: 0, error: undefined }];
    try {
      await work(id);
      this.jobs.value = this.jobs.value.filter((job) => job.id !== id);
    } catch (error) {
      this.#update(id, { error: sentence(error) });
    }
    this.changes.value++;
    await this.refresh();
  }

  #update(id: JobId, change: Partial<DiskJob>): void {
    this.jobs.value = this.jobs.value.map((job) => (job.id === id ? { ...job, ...change } : job));
  }

  /** Notes what was refused; undefined takes it back. */
  #complain(place: string, error: unknown): void {
    const others = Object.entries(this.problems.value).filter(([other]) => other !== place);
    if (error !== undefined) others.push([place, sentence(error)]);
    this.problems.value = Object.fromEntries(others);
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
