/** So many at a time; who comes later waits, in order. */
export class Slots {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a slot and does `task` in it. `signal`: does not wait any longer. */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      return await task();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const stop = () => {
        this.#queue.splice(this.#queue.indexOf(begin), 1);
        reject(new Error("Nobody waits for it any more."));
      };
      if (signal.aborted) {
        reject(new Error("Nobody waits for it any more."));
        return;
      }
      signal.addEventListener("abort", stop, { once: true });
      this.#queue.push(begin);
    });
  }
}
