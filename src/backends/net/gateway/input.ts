/** A line is longer than it may be. */
export class LineTooLong extends Error {}

/** Lines and bytes out of a stream that comes in pieces of any size. */
export class Input {
  readonly #read: () => Promise<Uint8Array | undefined>;
  #rest: Uint8Array = new Uint8Array(0);

  /** `read` gives the next piece; undefined: there is no more. */
  constructor(read: () => Promise<Uint8Array | undefined>) {
    this.#read = read;
  }

  /** Up to `most` bytes, at least one; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    if (!(await this.#fill())) return undefined;
    return this.#takeRest(Math.min(most, this.#rest.length));
  }

  /** So many bytes; undefined when the stream ends before. */
  async exactly(count: number): Promise<Uint8Array | undefined> {
    const result = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const part = await this.some(count - at);
      if (!part) return undefined;
      result.set(part, at);
      at += part.length;
    }
    return result;
  }

  /** A line of Latin-1 text of at most `most` bytes, without its end (LF, or CR LF); undefined when the stream ends before. */
  async line(most: number): Promise<string | undefined> {
    const parts: Uint8Array[] = [];
    let length = 0;
    while (await this.#fill()) {
      const end = this.#rest.indexOf(10);
      const part = this.#takeRest(end < 0 ? this.#rest.length : end + 1);
      length += part.length;
      if (length > most + 2) throw new LineTooLong();
      parts.push(part);
      if (end >= 0) return latin1(parts).replace(/\r?\n$/, "");
    }
    return undefined;
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const piece = await this.#read();
      if (!piece) return false;
      this.#rest = piece;
    }
    return true;
  }

  #takeRest(count: number): Uint8Array {
    const part = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return part;
  }
}

function latin1(parts: readonly Uint8Array[]): string {
  return parts.map((part) => String.fromCharCode(...part)).join("");
}
