/** A command's output, kept as bytes until it ends. */
export class ExecOutput {
  /** A command that prints without end must not take the page's memory with it. */
  static readonly limit = 16 * 1024 * 1024;

  readonly #chunks: Uint8Array[] = [];
  readonly #onOverflow: () => void;
  #length = 0;

  /** @param onOverflow called once, when more came than is kept */
  constructor(onOverflow: () => void) {
    this.#onOverflow = onOverflow;
  }

  write(data: Uint8Array): undefined {
    if (this.#length > ExecOutput.limit) return;
    this.#length += data.length;
    if (this.#length > ExecOutput.limit) this.#onOverflow();
    else this.#chunks.push(data.slice());
  }

  text(): string {
    const decoder = new TextDecoder();
    return this.#chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
  }
}
