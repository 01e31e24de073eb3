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

/**
 * Passes text on without escape sequences and control characters: on a terminal where nobody sits at the guest, its
 * queries would be answered into the next prompt.
 */
export class PlainTextSink implements ConsoleSink {
  readonly #target: ConsoleSink;
  /** The beginning of a sequence at the end of what came so far. */
  #unfinished = "";

  constructor(target: ConsoleSink) {
    this.#target = target;
  }

  write(data: Uint8Array): Promise<void> | undefined {
    // One character a byte, so that a UTF-8 character may come in two pieces.
    const text = this.#unfinished + Buffer.from(data).toString("latin1");
    this.#unfinished = UNFINISHED_SEQUENCE.exec(text)?.[0] ?? "";
    const whole = text.slice(0, text.length - this.#unfinished.length);
    const plain = whole.replace(SEQUENCE, "").replace(CONTROL, "");
    return plain === "" ? undefined : this.#target.write(Buffer.from(plain, "latin1"));
  }
}

/** ECMA-48's control sequences, operating system commands, and the short ones. */
const SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-Z\\^-~])/g;
/** As far as one gets in 64 characters: what is longer is no sequence that anybody waits for. */
const UNFINISHED_SEQUENCE = /\u001b(?:\[[0-?]{0,62}[ -/]{0,2}|\][^\u0007\u001b]{0,62}\u001b?|[ -/]{0,2})?$/;
/** All but line feeds and tabs; what is left of a broken sequence too. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** Keeps the end of what is written, for the message when a machine fails. */
export class TailSink implements ConsoleSink {
  #tail: Buffer = Buffer.alloc(0);

  write(data: Uint8Array): undefined {
    this.#tail = Buffer.concat([this.#tail, data]).subarray(-TAIL_BYTES);
  }

  lines(most: number): string[] {
    return this.#tail
      .toString()
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-most);
  }
}

const TAIL_BYTES = 4096;
