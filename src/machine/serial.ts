import type { ConsoleSink } from "../virtio/console.ts";

/** Bytes that may wait for the sink before the CPU has to. */
const LIMIT = 65536;

/**
 * The serial port's output on its way to the terminal. A UART has no flow control that a guest could be held back by:
 * when the terminal is slow, the CPU is stopped until it has caught up.
 */
export class SerialOutput {
  readonly #sink: ConsoleSink;
  readonly #holdGuest: (hold: boolean) => void;
  #buffer = new Uint8Array(LIMIT);
  #length = 0;
  #scheduled = false;
  #busy = false;
  #holding = false;

  constructor(sink: ConsoleSink, holdGuest: (hold: boolean) => void) {
    this.#sink = sink;
    this.#holdGuest = holdGuest;
  }

  /** Takes one byte. */
  put(byte: number): void {
    if (this.#length === this.#buffer.length) this.#grow();
    this.#buffer[this.#length++] = byte;
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.flush());
    }
  }

  /** Gives the sink what has gathered. */
  flush(): void {
    this.#scheduled = false;
    if (this.#busy || this.#length === 0) return;
    const waiting = this.#sink.write(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    if (waiting) {
      this.#busy = true;
      const again = (): void => {
        this.#busy = false;
        this.#hold(false);
        this.flush();
      };
      void waiting.then(again, again);
    }
  }

  /** A slice of the guest can write more than the limit before the CPU stops. */
  #grow(): void {
    const larger = new Uint8Array(2 * this.#buffer.length);
    larger.set(this.#buffer);
    this.#buffer = larger;
    this.#hold(true);
  }

  #hold(hold: boolean): void {
    if (this.#holding === hold) return;
    this.#holding = hold;
    this.#holdGuest(hold);
  }
}
