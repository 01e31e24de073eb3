/** What /init writes to the kernel's log as the first thing. */
export const IN_INIT = "ringside: init";

const NEWLINE = 10;

/** What the image's init writes there before the first login. */
export const AT_PROMPT = "ringside: prompt";

/** Watches a console for the moment in which the guest is in /init, or at another mark. */
export class InitWatch {
  readonly reached: Promise<void>;
  #resolve!: () => void;
  #line = "";
  #lines: string[] = [];
  #done = false;

  readonly #mark: string;

  constructor(mark = IN_INIT) {
    this.#mark = mark;
    this.reached = new Promise((resolve) => (this.#resolve = resolve));
  }

  put(bytes: Uint8Array): void {
    if (this.#done) return;
    for (const byte of bytes) this.putByte(byte);
  }

  /** Costs nothing once the moment has come. */
  putByte(byte: number): void {
    if (this.#done) return;
    if (byte !== NEWLINE) {
      this.#line += String.fromCharCode(byte);
      return;
    }
    this.#lines.push(this.#line);
    if (this.#lines.length > 40) this.#lines.shift();
    this.#done = this.#line.includes(this.#mark);
    this.#line = "";
    if (this.#done) this.#resolve();
  }

  /** The last that came, for the message when nothing more does. */
  get tail(): string {
    return [...this.#lines, this.#line].join("\n");
  }
}
