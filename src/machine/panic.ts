/** The kernel's own words on the console when it gives up: `[    1.234567] Kernel panic - not syncing: REASON`. */
const PANIC = /^\[ *\d+\.\d+\] Kernel panic - not syncing: ([^\r\n]*)/m;

/** Watches console output for a kernel panic: after one the CPU only spins, and nothing else tells us. */
export class PanicWatch {
  readonly #onPanic: (reason: string) => void;
  readonly #decoder = new TextDecoder("latin1");
  /** The line that is not complete yet, its beginning only. */
  #partial = "";

  constructor(onPanic: (reason: string) => void) {
    this.#onPanic = onPanic;
  }

  look(data: Uint8Array): void {
    const text = this.#partial + this.#decoder.decode(data);
    const lastLine = text.lastIndexOf("\n") + 1;
    this.#partial = text.slice(lastLine, lastLine + 200);
    if (!text.includes("Kernel panic")) return;
    const reason = PANIC.exec(text.slice(0, lastLine))?.[1];
    if (reason !== undefined) this.#onPanic(reason.trim());
  }
}
