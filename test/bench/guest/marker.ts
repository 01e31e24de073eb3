/** What /init writes to the kernel's log as the first thing. */
const IN_INIT = "ringside: init";

/** Watches a console for the moment in which the guest is in /init. */
export class InitWatch {
  readonly reached: Promise<void>;
  #resolve!: () => void;
  #seen = "";
  #done = false;

  constructor() {
    this.reached = new Promise((resolve) => (this.#resolve = resolve));
  }

  put(bytes: Uint8Array): void {
    if (this.#done) return;
    this.#seen = (this.#seen + String.fromCharCode(...bytes)).slice(-4096);
    this.#done = this.#seen.includes(IN_INIT);
    if (this.#done) this.#resolve();
  }

  /** The last that came, for the message when nothing more does. */
  get tail(): string {
    return this.#seen;
  }
}
