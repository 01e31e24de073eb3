import type { BlockBackend, BlockUnmap } from "../../../src/virtio/block-backend.ts";

/** A disk in an array that answers when the test says so, fails on demand, and notes what is asked of it. */
export class SlowDisk implements BlockBackend {
  readonly bytes: Uint8Array;
  capacity: number;
  readonly readOnly: boolean;
  /** Answers at once while false. */
  slow = false;
  /** Makes calls of this kind fail. */
  failing: "none" | "prepare" | "read" | "write" | "flush" = "none";
  readonly calls: string[] = [];
  /** The longest range that was to be prepared. */
  longest = 0;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #ready = new Set<string>();
  #onResize: () => void = () => undefined;

  constructor(capacity: number, readOnly = false) {
    this.capacity = capacity;
    this.bytes = new Uint8Array(capacity);
    this.readOnly = readOnly;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  prepare(offset: number, length: number, write: boolean): Promise<void> | undefined {
    this.longest = Math.max(this.longest, length);
    if (this.failing === "prepare") return Promise.reject(new Error("prepare failed on purpose"));
    const range = `${write ? "write" : "read"} ${offset}+${length}`;
    this.calls.push(range);
    if (!this.slow || this.#ready.delete(range)) return undefined;
    return this.#wait().then(() => void this.#ready.add(range));
  }

  read(offset: number, target: Uint8Array): void {
    if (this.failing === "read") throw new Error("read failed on purpose");
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, source: Uint8Array): void {
    if (this.failing === "write") throw new Error("write failed on purpose");
    this.bytes.set(source, offset);
  }

  flush(): Promise<void> | undefined {
    this.calls.push("flush");
    if (this.failing === "flush") return Promise.reject(new Error("flush failed on purpose"));
    return this.slow ? this.#wait() : undefined;
  }

  onResize(listener: () => void): void {
    this.#onResize = listener;
  }

  resize(capacity: number): void {
    this.capacity = capacity;
    this.#onResize();
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  /** Lets the oldest `count` of those that wait go on, or fail. */
  answer(count = this.#waiting.length, error?: Error): void {
    for (const { resolve, reject } of this.#waiting.splice(0, count)) {
      if (error) reject(error);
      else resolve();
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}

/** The same, of storage that can be given back in units of 4 KiB and erased. What was given back reads as zeros. */
export class ThinDisk extends SlowDisk {
  readonly unmap: BlockUnmap = {
    unit: 4096,
    range: (offset, length) => this.#clear("unmap", offset, length),
  };
  failingToClear = false;

  erase(offset: number, length: number): void {
    this.#clear("erase", offset, length);
  }

  #clear(how: string, offset: number, length: number): void {
    this.calls.push(`${how} ${offset}+${length}`);
    if (this.failingToClear) throw new Error(`${how} failed on purpose`);
    if (offset + length > this.capacity) throw new RangeError("beyond the end");
    this.bytes.fill(0, offset, offset + length);
  }
}
