import { SlowDisk } from "./slow-disk.ts";

/** A slow disk that lets whatever waits go on in any order. Still quick until `slow` is set. */
export class ShuffledDisk extends SlowDisk {
  readonly #waiting: (() => void)[] = [];
  /** How often each range is ready for the call that follows. */
  readonly #ready = new Map<string, number>();

  /** Calls that wait. */
  override get waiting(): number {
    return this.#waiting.length;
  }

  override prepare(offset: number, length: number, write: boolean): Promise<void> | undefined {
    const range = `${write ? "write" : "read"} ${offset}+${length}`;
    const ready = this.#ready.get(range) ?? 0;
    if (!this.slow || ready > 0) {
      this.#ready.set(range, Math.max(0, ready - 1));
      return undefined;
    }
    return this.#wait().then(() => void this.#ready.set(range, (this.#ready.get(range) ?? 0) + 1));
  }

  override flush(): Promise<void> | undefined {
    return this.slow ? this.#wait() : undefined;
  }

  /** Lets one go on: any number stands for one of them. */
  go(which: number): void {
    const [resolve] = this.#waiting.splice(which % Math.max(1, this.#waiting.length), 1);
    resolve?.();
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
