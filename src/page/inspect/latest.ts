/**
 * Work that is asked for more often than it can be done: one piece at a time, and of what was asked for meanwhile only the last.
 * Never rejects: what fails goes to `onError`.
 */
export class Latest {
  readonly #work: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  /** Milliseconds from the end of one to the beginning of the next. */
  readonly #rest: number;
  #running = false;
  #again = false;
  #disposed = false;

  constructor(
    work: () => Promise<void>,
    { rest = 0, onError }: { rest?: number; onError: (error: unknown) => void },
  ) {
    this.#work = work;
    this.#rest = rest;
    this.#onError = onError;
  }

  ask(): void {
    if (this.#disposed) return;
    this.#again = true;
    if (!this.#running) void this.#run();
  }

  /** Nothing begins any more. */
  dispose(): void {
    this.#disposed = true;
  }

  #failed(error: unknown): void {
    if (!this.#disposed) this.#onError(error);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#again && !this.#disposed) {
      this.#again = false;
      try {
        await this.#work();
      } catch (error) {
        this.#failed(error);
      }
      if (this.#rest > 0) await new Promise((resolve) => setTimeout(resolve, this.#rest));
    }
    this.#running = false;
  }
}
