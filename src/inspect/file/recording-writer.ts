import type { TraceEvent, TracedDevice } from "../types.ts";
import { BLOCK_BYTES, MAXIMUM_TEXT, type TraceEnd, type TraceHead } from "./format.ts";
import { devicesLine, endLine, eventLine, headLine } from "./lines.ts";
import { joined, pack } from "./members.ts";
import type { Bytes, TraceWriter } from "./writer.ts";

/** A recording: docs/TRACES.md has the format. Lines wait until they make a block. */
export class RecordingWriter implements TraceWriter {
  readonly #encoder = new TextEncoder();
  #lines: Uint8Array[] = [];
  #bytes = 0;

  /** A block of its own: what a file is can be read before there is an event. */
  begin({ start, config, devices }: TraceHead): Promise<Bytes> {
    this.#put(headLine({ start, config: config.slice(0, MAXIMUM_TEXT), devices }));
    return this.#block();
  }

  async add(events: readonly TraceEvent[], devices?: readonly TracedDevice[]): Promise<Bytes> {
    const blocks: Uint8Array[] = [];
    if (devices) this.#put(devicesLine(devices));
    for (const event of events) {
      this.#put(eventLine(event));
      if (this.#bytes >= BLOCK_BYTES) blocks.push(await this.#block());
    }
    return joined(
      blocks,
      blocks.reduce((sum, block) => sum + block.length, 0),
    );
  }

  flush(): Promise<Bytes> | Bytes {
    return this.#bytes === 0 ? new Uint8Array() : this.#block();
  }

  async end(end: TraceEnd): Promise<Bytes> {
    const rest = await this.flush();
    this.#put(endLine(end));
    const last = await this.#block();
    return joined([rest, last], rest.length + last.length);
  }

  #put(line: string): void {
    const bytes = this.#encoder.encode(line);
    this.#lines.push(bytes);
    this.#bytes += bytes.length;
  }

  #block(): Promise<Bytes> {
    const block = joined(this.#lines, this.#bytes);
    this.#lines = [];
    this.#bytes = 0;
    return pack(block);
  }
}
