import { HEADER } from "../../../net/packet.ts";
import {
  type CapturedInterface,
  type Direction,
  interfaceBlock,
  packetBlock,
  sectionBlock,
  statisticsBlock,
} from "../../../net/pcapng.ts";
import { captureTime } from "./time.ts";

/** Bytes of packets that are kept; the oldest go first. */
export const MOST_CAPTURED = 64 << 20;

/** What a block costs besides its bytes. */
const OBJECT = 128;

/** What crossed one network device, as far as memory goes: the newest packets. */
export class MemoryCapture {
  readonly #face: CapturedInterface;
  readonly #application: string;
  readonly #most: number;
  readonly #start = captureTime();
  #end: number | undefined;
  /** Those before `first` are gone. */
  #blocks: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #cost = 0;
  #dropped = 0;

  /** @param most bytes */
  constructor(face: CapturedInterface, application: string, most: number = MOST_CAPTURED) {
    this.#face = face;
    this.#application = application;
    this.#most = most;
  }

  /** `bytes` are the packets' share of the file, `dropped` the packets that had to go again. */
  get status(): { running: boolean; packets: number; bytes: number; dropped: number } {
    const running = this.#end === undefined;
    return {
      running,
      packets: this.#blocks.length - this.#first,
      bytes: this.#bytes,
      dropped: this.#dropped,
    };
  }

  add(direction: Direction, packet: Uint8Array): void {
    if (this.#end !== undefined) return;
    const block = packetBlock(0, captureTime(), direction, packet.subarray(HEADER));
    this.#blocks.push(block);
    this.#bytes += block.length;
    this.#cost += block.length + OBJECT;
    while (this.#cost > this.#most) this.#dropOldest();
  }

  stop(): void {
    this.#end ??= captureTime();
  }

  /** The file as it is now, in pieces. */
  file(): Uint8Array<ArrayBuffer>[] {
    const kept = this.#blocks.slice(this.#first) as Uint8Array<ArrayBuffer>[];
    const end = this.#end ?? captureTime();
    const received = kept.length + this.#dropped;
    return [
      sectionBlock(this.#application),
      interfaceBlock(this.#face),
      ...kept,
      statisticsBlock(0, { start: this.#start, end, received, dropped: this.#dropped }),
    ];
  }

  #dropOldest(): void {
    const oldest = this.#blocks[this.#first]!;
    this.#blocks[this.#first++] = undefined;
    this.#bytes -= oldest.length;
    this.#cost -= oldest.length + OBJECT;
    this.#dropped++;
    if (2 * this.#first < this.#blocks.length) return;
    this.#blocks = this.#blocks.slice(this.#first);
    this.#first = 0;
  }
}
