/**
 * Frames over a stream as QEMU's stream network devices have them and passt takes them: each after its length as 32 bits,
 * big-endian.
 */
import type { Duplex } from "node:stream";
import { get32, set32 } from "../../../src/net/bytes.ts";
import { ETHERNET, HEADER, LONGEST_FRAME } from "../../../src/net/packet.ts";

const LENGTH = 4;
/** Bytes that wait for passt. What is sent on top is dropped. */
export const QUEUE = 1 << 20;

export interface FrameStreamEvents {
  /** A frame as a packet (src/net/packet.ts). */
  packet: (packet: Uint8Array) => void;
  /** The stream cannot be read any further. Called once. */
  fault: (reason: string) => void;
}

export class FrameStream {
  readonly #stream: Duplex;
  readonly #events: FrameStreamEvents;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  readonly #length = new Uint8Array(LENGTH);
  /** What came of the next length or frame. */
  #part: Uint8Array = this.#length;
  #have = 0;
  #inFrame = false;
  #ended = false;

  constructor(stream: Duplex, events: FrameStreamEvents) {
    this.#stream = stream;
    this.#events = events;
    stream.on("data", (chunk: Uint8Array) => this.#read(chunk));
    stream.on("error", (error) => this.#fault(`its socket failed: ${error.message}`));
    stream.on("close", () => this.#fault("it closed its socket"));
  }

  /** Sends the frame of a packet, which is the stream's from then on. False: too much waits already. */
  send(packet: Uint8Array): boolean {
    const message = packet.subarray(HEADER - LENGTH);
    if (this.#ended || this.#queued + message.length > QUEUE) return false;
    set32(message, 0, packet.length - HEADER);
    this.#queue.push(message);
    this.#queued += message.length;
    this.#flush();
    return true;
  }

  dispose(): void {
    this.#ended = true;
    this.#queue.length = 0;
    this.#stream.destroy();
  }

  /**
   * One frame at a time: the kernel takes a frame whole or not at all, so that passt never reads a part of one. It would lose
   * its place: of a length that is cut in two it forgets the first half.
   */
  readonly #flush = (): void => {
    let count = 0;
    while (count < this.#queue.length && this.#stream.writableLength === 0 && !this.#ended) {
      const message = this.#queue[count++]!;
      this.#queued -= message.length;
      this.#stream.write(message, this.#flush);
    }
    if (count > 0) this.#queue.splice(0, count);
  };

  #read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#ended) {
      const count = Math.min(this.#part.length - this.#have, chunk.length - at);
      this.#part.set(chunk.subarray(at, at + count), this.#have);
      this.#have += count;
      at += count;
      if (this.#have === this.#part.length) this.#next();
    }
  }

  #next(): void {
    const part = this.#part;
    if (this.#inFrame) {
      this.#inFrame = false;
      this.#part = this.#length;
      this.#have = 0;
      this.#events.packet(part);
      return;
    }
    const length = get32(part, 0);
    if (length < ETHERNET || length > LONGEST_FRAME) {
      this.#fault(`it sent a frame of ${length} bytes`);
      return;
    }
    this.#inFrame = true;
    this.#part = new Uint8Array(HEADER + length);
    this.#have = HEADER;
  }

  #fault(reason: string): void {
    if (this.#ended) return;
    this.dispose();
    this.#events.fault(reason);
  }
}
