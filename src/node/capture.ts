import { type FileHandle, open } from "node:fs/promises";
import { captureTime } from "../backends/net/capture/time.ts";
import { HEADER } from "../net/packet.ts";
import {
  type CapturedInterface,
  type Direction,
  interfaceBlock,
  packetBlock,
  sectionBlock,
  statisticsBlock,
} from "../net/pcapng.ts";

/** Bytes that may wait for the file; packets that come on top are not in it. */
const MOST_WAITING = 32 << 20;

/** Bytes of one write. */
const PIECE = 1 << 20;

export interface CaptureStatus {
  /** Packets in the file, or on their way to it. */
  packets: number;
  /** Of the file, bytes. */
  bytes: number;
  /** Packets that are not in it: the file was too slow, or could not be written any more. */
  dropped: number;
}

/** A pcapng file that packets are written to as they come. */
export class FileCapture {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #faces: readonly { received: number; dropped: number }[];
  readonly #start = captureTime();
  readonly #onFailure: (message: string) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #written = 0;
  #writing: Promise<void> | undefined;
  #failed = false;
  #ending: Promise<void> | undefined;

  /** Use {@link openCapture}. */
  constructor(
    path: string,
    file: FileHandle,
    faces: readonly CapturedInterface[],
    onFailure: (message: string) => void,
  ) {
    this.path = path;
    this.#file = file;
    this.#faces = faces.map(() => ({ received: 0, dropped: 0 }));
    this.#onFailure = onFailure;
    this.#push(sectionBlock("Ringside"));
    for (const face of faces) this.#push(interfaceBlock(face));
  }

  get status(): CaptureStatus {
    const received = this.#faces.reduce((sum, face) => sum + face.received, 0);
    const dropped = this.#faces.reduce((sum, face) => sum + face.dropped, 0);
    return { packets: received - dropped, bytes: this.#written + this.#waitingBytes, dropped };
  }

  /** @param face which of the interfaces, from 0 */
  add(face: number, direction: Direction, packet: Uint8Array): void {
    const counters = this.#faces[face]!;
    if (this.#ending) return;
    counters.received++;
    if (this.#failed || this.#waitingBytes + packet.length > MOST_WAITING) counters.dropped++;
    else this.#push(packetBlock(face, captureTime(), direction, packet.subarray(HEADER)));
  }

  /** Resolves when all is in the file and that is closed. What goes wrong is told, as any failure is. Never rejects. */
  end(): Promise<void> {
    return (this.#ending ??= this.#end());
  }

  async #end(): Promise<void> {
    const { start, end } = { start: this.#start, end: captureTime() };
    for (const [face, counters] of this.#faces.entries()) {
      this.#push(statisticsBlock(face, { start, end, ...counters }));
    }
    await this.#writing;
    await this.#file.close().catch((error: unknown) => this.#fail(error));
  }

  #push(block: Uint8Array): void {
    if (this.#failed) return;
    this.#waiting.push(block);
    this.#waitingBytes += block.length;
    // Begins later, with what this turn brings.
    this.#writing ??= Promise.resolve().then(() => this.#write());
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const blocks = this.#take();
        for (let left = Buffer.concat(blocks); left.length > 0;) {
          const { bytesWritten } = await this.#file.write(left);
          left = left.subarray(bytesWritten);
          this.#written += bytesWritten;
          this.#waitingBytes -= bytesWritten;
        }
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#writing = undefined;
  }

  /** So many blocks from the front as make a piece. */
  #take(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && bytes < PIECE) bytes += this.#waiting[count++]!.length;
    return this.#waiting.splice(0, count);
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#onFailure(
      `The capture ends before the machine does: ${this.path} cannot be written (${messageOf(error)}).`,
    );
  }
}

/** Makes the file, or empties it. Rejects with a plain sentence. `onFailure` is told at most once, of what goes wrong later. */
export async function openCapture(
  path: string,
  faces: readonly CapturedInterface[],
  onFailure: (message: string) => void,
): Promise<FileCapture> {
  try {
    return new FileCapture(path, await open(path, "w"), faces, onFailure);
  } catch (cause) {
    throw new Error(`The capture ${path} cannot be written (${messageOf(cause)}).`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
