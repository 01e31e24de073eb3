import type { TraceEvent, TracedDevice } from "../types.ts";
import { RecordingError, type TraceEnd, type TraceHead } from "./format.ts";
import { type Line, parseLine } from "./lines.ts";
import { joined, MEMBER_HEADER, memberLength, unpack } from "./members.ts";

/** Bytes as they come, in any pieces. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Reads a recording block by block: a file of any length in the memory of a block. Whatever it has is checked, and what a forged
 * one can make us allocate is bounded (format.ts).
 */
export class RecordingReader {
  readonly head: TraceHead;
  /** As they are where the reading is. */
  devices: readonly TracedDevice[];
  /** Undefined until the file has been read, and when it has none. */
  end: TraceEnd | undefined;
  /** Why the file is not whole, although all that was read is right: a sentence. Undefined until it has been read, and of a whole one. */
  cut: string | undefined;
  /** Bytes of the blocks read so far, as they were unpacked. */
  unpacked = 0;
  readonly #blocks: AsyncGenerator<Block>;
  #events = 0;
  #seq = -1;
  #time = 0;

  private constructor(head: TraceHead, blocks: AsyncGenerator<Block>) {
    this.head = head;
    this.devices = head.devices;
    this.#blocks = blocks;
  }

  /** Reads the beginning. Rejects with RecordingError when this is no recording, or one that we do not know. */
  static async open(source: ByteSource): Promise<RecordingReader> {
    const blocks = blocksOf(source);
    const first = await blocks.next();
    if (first.done) throw new RecordingError("This is not a recording of Ringside: it is empty.");
    const { member } = first.value;
    if (!member) throw new RecordingError("This recording is cut short before its first event.");
    try {
      const [line, more] = linesOf(await unpack(member));
      if (line?.is !== "head" || more) throw new RecordingError("it does not begin as a recording does");
      return new RecordingReader(line.head, blocks);
    } catch (error) {
      throw sentence("This recording cannot be read", error);
    }
  }

  /**
   * The events, oldest first, a block's at a time. Once. Rejects with RecordingError where the file is damaged; of one that ends
   * too early it gives what is whole, and then `cut` says so.
   */
  async *events(): AsyncGenerator<TraceEvent[]> {
    for await (const block of this.#blocks) {
      if (block.member) yield await this.#eventsOf(block.at, block.member);
      else if (this.end)
        throw new RecordingError("This recording is damaged: something comes after its end.");
    }
    if (!this.end) this.cut = this.#cutShort();
  }

  async #eventsOf(at: number, member: Uint8Array<ArrayBuffer>): Promise<TraceEvent[]> {
    try {
      const bytes = await unpack(member);
      this.unpacked += bytes.length;
      const events: TraceEvent[] = [];
      for (const line of linesOf(bytes)) this.#take(line, events);
      return events;
    } catch (error) {
      throw sentence(`This recording is damaged at byte ${at}`, error);
    }
  }

  #take(line: Line, events: TraceEvent[]): void {
    if (this.end) throw new RecordingError("something comes after its end");
    switch (line.is) {
      case "event":
        this.#inOrder(line.event);
        events.push(line.event);
        break;
      case "devices":
        this.devices = line.devices;
        break;
      case "end":
        if (line.end.events !== this.#events) {
          throw new RecordingError(`it had ${line.end.events} events, and ${this.#events} are here`);
        }
        this.end = line.end;
        break;
      case "head":
        throw new RecordingError("it begins twice");
    }
  }

  #inOrder({ seq, time }: TraceEvent): void {
    if (seq <= this.#seq) throw new RecordingError(`event ${seq} comes after event ${this.#seq}`);
    if (time < this.#time) throw new RecordingError(`event ${seq} is earlier than the one before it`);
    this.#events++;
    this.#seq = seq;
    this.#time = time;
  }

  #cutShort(): string {
    return `This recording is cut short: whoever wrote it did not come to its end. Its first ${this.#events} events are whole.`;
  }
}

/** A member and where it begins; without `member` the file ends within it. */
interface Block {
  at: number;
  member: Uint8Array<ArrayBuffer> | undefined;
}

async function* blocksOf(source: ByteSource): AsyncGenerator<Block> {
  const input = new Input(source);
  for (let at = 0; ;) {
    const header = await input.take(MEMBER_HEADER);
    if (header.length === 0) return;
    const length = memberLength(header);
    if (length === undefined) {
      if (at === 0) throw new RecordingError("This is not a recording of Ringside.");
      if (header.length === MEMBER_HEADER)
        throw new RecordingError(`This recording is damaged at byte ${at}.`);
      yield { at, member: undefined };
      return;
    }
    const rest = await input.take(length - MEMBER_HEADER);
    if (rest.length < length - MEMBER_HEADER) {
      yield { at, member: undefined };
      return;
    }
    yield { at, member: joined([header, rest], length) };
    at += length;
  }
}

/** Bytes of a source, in the pieces that somebody wants: holds what was asked for and a piece of the source. */
class Input {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: ByteSource) {
    this.#source =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** The next `count` bytes; fewer at the end. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    while (length < count) {
      if (this.#rest.length === 0) {
        const step = await this.#source.next();
        if (step.done) break;
        this.#rest = step.value;
      }
      const piece = this.#rest.subarray(0, count - length);
      this.#rest = this.#rest.subarray(piece.length);
      pieces.push(piece);
      length += piece.length;
    }
    return joined(pieces, length);
  }
}

/** One by one: a forged block may have millions, of which the first is wrong. */
function* linesOf(bytes: Uint8Array): Generator<Line> {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  if (!text.endsWith("\n")) throw new RecordingError("a block ends within a line");
  for (let from = 0; from < text.length;) {
    const to = text.indexOf("\n", from);
    yield parseLine(text.slice(from, to));
    from = to + 1;
  }
}

function sentence(what: string, cause?: unknown): RecordingError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new RecordingError(`${what}${why}.`, { cause });
}
