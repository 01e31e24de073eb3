/** Packets in order, and how many bytes they are. */
export class Backlog {
  bytes = 0;
  #packets: Uint8Array[] = [];
  /** The first of them; what is before it is gone. */
  #head = 0;

  get length(): number {
    return this.#packets.length - this.#head;
  }

  get first(): Uint8Array | undefined {
    return this.#packets[this.#head];
  }

  push(packet: Uint8Array): void {
    this.#packets.push(packet);
    this.bytes += packet.length;
  }

  /** Takes the first one away. */
  shift(): void {
    this.bytes -= this.#packets[this.#head]!.length;
    this.#packets[this.#head++] = EMPTY;
    if (this.#head < COMPACT && this.#head < this.#packets.length) return;
    this.#packets = this.#packets.slice(this.#head);
    this.#head = 0;
  }

  /** Puts others in the first one's place. */
  replaceFirst(packets: readonly Uint8Array[]): void {
    this.bytes -= this.#packets[this.#head]!.length;
    for (const { length } of packets) this.bytes += length;
    this.#packets.splice(0, this.#head + 1, ...packets);
    this.#head = 0;
  }

  clear(): void {
    this.#packets = [];
    this.#head = 0;
    this.bytes = 0;
  }
}

/** So many empty places are worth a copy of what is behind them. */
const COMPACT = 1024;
const EMPTY = new Uint8Array(0);
