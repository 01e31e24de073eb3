/** Writes shorter than this are copied together, so that many of one byte do not cost an array each. */
const SMALL = 4096;
const BLOCK = 16384;

/** Bytes in the order in which they came, in few pieces. */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  /** The last piece's block, if it is one for small writes, and where it is free. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The array belongs to the queue from now on. */
  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    if (bytes.length >= SMALL) {
      // A view of little in much would keep all of it.
      this.#pieces.push(bytes.buffer.byteLength > 2 * bytes.length ? bytes.slice() : bytes);
      this.#block = undefined;
      return;
    }
    if (this.#block && this.#blockUsed + bytes.length <= BLOCK) {
      const last = this.#pieces.at(-1)!;
      const from = this.#blockUsed - last.length;
      this.#block.set(bytes, this.#blockUsed);
      this.#blockUsed += bytes.length;
      this.#pieces[this.#pieces.length - 1] = this.#block.subarray(from, this.#blockUsed);
      return;
    }
    // The first small write alone takes no block: most connections have few.
    this.#block = new Uint8Array(this.#pieces.length === 0 ? bytes.length : BLOCK);
    this.#block.set(bytes);
    this.#blockUsed = bytes.length;
    this.#pieces.push(this.#block.subarray(0, bytes.length));
    if (this.#block.length < BLOCK) this.#block = undefined;
  }

  /** Fills `target` with the bytes from `offset` on; there are enough of them. */
  copy(offset: number, target: Uint8Array): void {
    let skip = offset;
    let at = 0;
    for (const piece of this.#pieces) {
      if (at === target.length) return;
      if (skip >= piece.length) {
        skip -= piece.length;
        continue;
      }
      const part = piece.subarray(skip, skip + target.length - at);
      target.set(part, at);
      at += part.length;
      skip = 0;
    }
  }

  /** Takes the first `count` away; there are as many. */
  discard(count: number): void {
    this.#length -= count;
    let rest = count;
    while (rest > 0) {
      const first = this.#pieces[0]!;
      if (first.length > rest) {
        this.#pieces[0] = first.subarray(rest);
        return;
      }
      rest -= first.length;
      this.#shift();
    }
  }

  /** Takes the first piece out. */
  take(): Uint8Array | undefined {
    const first = this.#shift();
    this.#length -= first?.length ?? 0;
    return first;
  }

  clear(): void {
    this.#pieces = [];
    this.#block = undefined;
    this.#length = 0;
  }

  #shift(): Uint8Array | undefined {
    if (this.#pieces.length === 1) this.#block = undefined;
    return this.#pieces.shift();
  }
}
