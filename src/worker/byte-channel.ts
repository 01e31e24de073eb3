/**
 * A byte stream in each direction over one MessagePort, with credit: a sender may have `window` bytes on the way that the other
 * end has not yet dealt with, and is told to wait beyond that. Nothing is dropped, nothing piles up without bound.
 */

/** What travels over the port: bytes, or the number of bytes that the other end is done with. */
type Packet = Uint8Array<ArrayBuffer> | number;

/** Deals with bytes that arrived. They count as on the way until the promise resolves. */
export type ByteHandler = (data: Uint8Array) => Promise<void> | undefined;

/** Bytes on the way at which a sender is told to wait. About what xterm.js parses in one frame. */
const defaultWindow = 128 * 1024;

/** Small writes of one turn of the event loop (a guest prints a line in dozens) travel together, in packets of up to this. */
const packetSize = 16 * 1024;

export class ByteChannel {
  readonly #port: MessagePort;
  readonly #window: number;
  readonly #handle: ByteHandler;

  #packet = new Uint8Array(packetSize);
  #filled = 0;
  #flushScheduled = false;

  #onTheWay = 0;
  #room: PromiseWithResolvers | undefined;
  #disposed = false;

  constructor(port: MessagePort, handle: ByteHandler, window = defaultWindow) {
    this.#port = port;
    this.#window = window;
    this.#handle = handle;
    port.onmessage = (event: MessageEvent<Packet>) => {
      if (typeof event.data === "number") this.#credit(event.data);
      else void this.#receive(event.data);
    };
  }

  /**
   * Sends bytes (they are copied). Returns a promise when no more should be sent until it resolves. Bytes given in spite of it
   * still arrive: the bound is the caller's to keep.
   */
  write(data: Uint8Array): Promise<void> | undefined {
    if (this.#disposed) return undefined;
    for (let from = 0; from < data.length;) {
      const count = Math.min(data.length - from, packetSize - this.#filled);
      this.#packet.set(data.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === packetSize) this.#send();
    }
    this.#onTheWay += data.length;
    if (this.#filled > 0 && !this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(() => {
        this.#flushScheduled = false;
        this.#send();
      });
    }
    if (this.#onTheWay < this.#window) return undefined;
    this.#room ??= withResolvers();
    return this.#room.promise;
  }

  /** Closes this end. Whoever waits for room waits no longer. */
  dispose(): void {
    this.#disposed = true;
    this.#port.onmessage = null;
    this.#port.close();
    this.#room?.resolve();
    this.#room = undefined;
  }

  #send(): void {
    if (this.#filled === 0 || this.#disposed) return;
    const packet = this.#packet.slice(0, this.#filled);
    this.#filled = 0;
    this.#port.postMessage(packet satisfies Packet, [packet.buffer]);
  }

  #credit(count: number): void {
    this.#onTheWay -= count;
    if (this.#onTheWay >= this.#window) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  async #receive(data: Uint8Array): Promise<void> {
    try {
      await this.#handle(data);
    } finally {
      if (!this.#disposed) this.#port.postMessage(data.length satisfies Packet);
    }
  }
}

interface PromiseWithResolvers {
  promise: Promise<void>;
  resolve: () => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
