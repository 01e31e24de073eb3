/** The kernel's own words on the console when it gives up: `[    1.234567] Kernel panic - not syncing: REASON`. */
const PANIC = /^\[ *\d+\.\d+\] Kernel panic - not syncing: ([^\r\n]*)/m;

const NEWLINE = 0x0a;
/** The first letter of what is looked for: most output has none, and is not made into text. */
const SIGN = 0x4b;
/** Bytes of a line that are kept until it is complete. */
const LINE = 200;

/** Watches console output for a kernel panic: after one the CPU only spins, and nothing else tells us. */
export class PanicWatch {
  readonly #onPanic: (reason: string) => void;
  readonly #decoder = new TextDecoder("latin1");
  /** The beginning of the line that is not complete yet. */
  readonly #line = new Uint8Array(LINE);
  #length = 0;
  #suspicious = false;

  constructor(onPanic: (reason: string) => void) {
    this.#onPanic = onPanic;
  }

  look(data: Uint8Array): void {
    const lineEnd = data.lastIndexOf(NEWLINE) + 1;
    const signs = data.includes(SIGN);
    if (lineEnd > 0 && (signs || this.#suspicious)) this.#search(data.subarray(0, lineEnd));
    if (lineEnd > 0) this.#length = 0;
    const rest = data.subarray(lineEnd, lineEnd + LINE - this.#length);
    this.#line.set(rest, this.#length);
    this.#length += rest.length;
    this.#suspicious = (lineEnd > 0 ? false : this.#suspicious) || (signs && rest.includes(SIGN));
  }

  #search(lines: Uint8Array): void {
    const text = this.#decoder.decode(this.#line.subarray(0, this.#length)) + this.#decoder.decode(lines);
    const reason = PANIC.exec(text)?.[1];
    if (reason !== undefined) this.#onPanic(reason.trim());
  }
}
