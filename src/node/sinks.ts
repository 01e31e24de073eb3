import type { Writable } from "node:stream";
import type { ConsoleSink } from "../virtio/console.ts";

/** The guest's output into a stream of ours; while that is full, the guest waits. */
export class StreamSink implements ConsoleSink {
  readonly #stream: Writable;
  #room: Promise<void> | undefined;
  #broken = false;

  /** @param onBroken called once when the stream takes no more, with its error; what comes later is dropped. */
  constructor(stream: Writable, onBroken: (error: Error) => void) {
    this.#stream = stream;
    // For as long as the stream lives: an error that nobody hears ends the process.
    stream.on("error", (error: Error) => {
      if (this.#broken) return;
      this.#broken = true;
      onBroken(error);
    });
  }

  write(data: Uint8Array): Promise<void> | undefined {
    if (this.#broken) return undefined;
    // The stream keeps what it is given, and `data` is the guest's memory.
    if (this.#stream.write(Buffer.from(data))) return undefined;
    return (this.#room ??= this.#untilRoom());
  }

  #untilRoom(): Promise<void> {
    return new Promise((resolve) => {
      const stream = this.#stream;
      const settle = (): void => {
        stream.off("drain", settle).off("close", settle).off("error", settle);
        this.#room = undefined;
        resolve();
      };
      stream.on("drain", settle).on("close", settle).on("error", settle);
    });
  }
}

/** Keeps all that is written, up to a limit. */
export class CollectingSink implements ConsoleSink {
  readonly #chunks: Uint8Array[] = [];
  readonly #most: number;
  readonly #onOverflow: () => void;
  #length = 0;

  /** @param onOverflow called once when more than `most` bytes came; no more is kept then. */
  constructor(most: number, onOverflow: () => void) {
    this.#most = most;
    this.#onOverflow = onOverflow;
  }

  write(data: Uint8Array): undefined {
    if (this.#length > this.#most) return;
    this.#length += data.length;
    if (this.#length > this.#most) this.#onOverflow();
    else this.#chunks.push(data.slice());
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}

/** Keeps the end of what is written, for the message when a machine fails. */
export class TailSink implements ConsoleSink {
  #chunks: Uint8Array[] = [];
  #length = 0;

  write(data: Uint8Array): undefined {
    this.#chunks.push(data.slice());
    this.#length += data.length;
    if (this.#length > 4 * TAIL_BYTES) this.#trim();
  }

  /** The last lines as plain text, without what would move a cursor. */
  lines(most: number): string[] {
    this.#trim();
    const plain = Buffer.concat(this.#chunks)
      .toString()
      .replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])/g, "")
      .replace(/[\u0000-\u0009\u000b-\u001f\u007f]/g, "");
    return plain
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-most);
  }

  #trim(): void {
    const tail = Buffer.concat(this.#chunks).subarray(-TAIL_BYTES);
    this.#chunks = [tail];
    this.#length = tail.length;
  }
}

const TAIL_BYTES = 4096;
