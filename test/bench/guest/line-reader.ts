/** Splits a guest's console into lines that begin with a mark, and what stands between them. */
export class LineReader {
  readonly #onMark: (line: string) => void;
  #buffer = new Uint8Array(1 << 20);
  #length = 0;
  #lineStart = 0;
  /** What lies before was searched for the line's end already. */
  #searched = 0;

  /** @param onMark called in the moment in which the end of a line that begins with "@@" arrives. */
  constructor(onMark: (line: string) => void) {
    this.#onMark = onMark;
  }

  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    this.#look();
  }

  putByte(byte: number): void {
    if (this.#length === this.#buffer.length) this.#reserve(1);
    this.#buffer[this.#length++] = byte;
    if (byte === NEWLINE) this.#look();
  }

  /** All that came since the last `clear`. */
  text(): string {
    return new TextDecoder("latin1").decode(this.#buffer.subarray(0, this.#length));
  }

  clear(): void {
    this.#length = this.#lineStart = this.#searched = 0;
  }

  #look(): void {
    for (;;) {
      const end = this.#buffer.subarray(0, this.#length).indexOf(NEWLINE, this.#searched);
      this.#searched = end < 0 ? this.#length : end + 1;
      if (end < 0) return;
      const start = this.#lineStart;
      this.#lineStart = end + 1;
      if (this.#buffer[start] !== MARK || this.#buffer[start + 1] !== MARK) continue;
      const line = new TextDecoder("latin1").decode(this.#buffer.subarray(start, end)).trimEnd();
      this.#onMark(line);
      if (this.#length === 0) return; // the listener took what was there
    }
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = new Uint8Array(2 * (this.#length + more));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

const NEWLINE = 10;
const MARK = "@".charCodeAt(0);
