import { Interrupted, SIGNAL_STATUS, Status } from "./status.ts";

/** Everything that ends a run from outside: signals, the time limit, output that nobody takes. */
export class Interruption {
  readonly #controller = new AbortController();
  #closing = false;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onSignal = (name: NodeJS.Signals): void => this.#signalled(name as keyof typeof SIGNAL_STATUS);

  /** @param seconds the time limit; none when undefined. */
  constructor(seconds?: number) {
    for (const name of Object.keys(SIGNAL_STATUS)) process.on(name, this.#onSignal);
    if (seconds !== undefined) {
      const expired = (): void =>
        this.interrupt(new Interrupted(Status.timeout, `The time limit of ${seconds} s is over.`));
      this.#timer = setTimeout(expired, seconds * 1000);
    }
  }

  /** For work that can be told to stop waiting. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  interrupt(reason: Interrupted): void {
    this.#controller.abort(reason);
  }

  /** For a stream of ours that takes no more. */
  readonly brokenOutput = (error: Error): void => {
    const quiet = (error as NodeJS.ErrnoException).code === "EPIPE";
    this.interrupt(
      quiet
        ? new Interrupted(Status.pipe, "Nobody reads the output any more.", false)
        : new Interrupted(Status.failure, `The output cannot be written: ${error.message}`),
    );
  };

  /** The work's result, or a rejection with Interrupted as soon as that happens. */
  async race<T>(work: Promise<T>): Promise<T> {
    // Whoever loses the race may still reject: that is heard, and of no interest.
    work.catch(() => undefined);
    const { signal } = this;
    signal.throwIfAborted();
    let onAbort: () => void = () => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason as Interrupted);
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      return await Promise.race([work, aborted]);
    } catch (error) {
      // Work that was told to stop says so in words of its own.
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** From here on it is only about closing: there is no time limit any more, and a signal ends the process at once. */
  closing(): void {
    clearTimeout(this.#timer);
    this.#closing = true;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const name of Object.keys(SIGNAL_STATUS)) process.off(name, this.#onSignal);
  }

  #signalled(name: keyof typeof SIGNAL_STATUS): void {
    const status = SIGNAL_STATUS[name];
    // Whoever asks twice does not want to wait for the disks.
    if (this.signal.aborted || this.#closing) process.exit(status);
    this.interrupt(new Interrupted(status, `Ended by ${name}.`, name !== "SIGINT"));
  }
}
