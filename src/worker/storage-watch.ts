import type { ImageDisk } from "../backends/disk/image/image-disk.ts";
import type { StorageStatus } from "./protocol.ts";

/** Milliseconds between looks at what was fetched. */
const INTERVAL = 400;

/** Tells what the images of a machine's disks have fetched, and whether their servers answer, whenever that changed. */
export class StorageWatch {
  readonly #tell: (status: readonly StorageStatus[]) => void;
  readonly #images = new Map<string, ImageDisk>();
  #last = "";
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(tell: (status: readonly StorageStatus[]) => void) {
    this.#tell = tell;
  }

  /** @param disk the disk's identifier; a second image for it takes the place of the first */
  add(disk: string, image: ImageDisk): void {
    this.#images.set(disk, image);
    this.#timer ??= setInterval(() => this.look(), INTERVAL);
    this.look();
  }

  /** Forgets one disk's image, or all. */
  remove(disk?: string): void {
    if (disk === undefined) this.#images.clear();
    else this.#images.delete(disk);
    if (this.#images.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.look();
  }

  /** Looks at once, for what should not wait for the clock. */
  look(): void {
    const status = [...this.#images].map(([disk, { label, counters, status }]) => ({
      disk,
      image: label,
      bytesFetched: counters.bytesFetched,
      ...status,
    }));
    const text = JSON.stringify(status);
    if (text === this.#last) return;
    this.#last = text;
    this.#tell(status);
  }
}
