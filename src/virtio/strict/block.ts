import type { BlockDevice } from "../block.ts";
import { Block, Feature } from "../spec.ts";
import type { Buffers, RequestAudit } from "./buffers.ts";
import type { Report } from "./report.ts";

/** Requests whose data is struct virtio_blk_discard_write_zeroes (5.2.6): discard, write zeroes, secure erase. */
const SEGMENTED = new Set([11, 13, 14]);
const SEGMENT_BYTES = 16;

/** What drivers must keep to in block requests (5.2.6.1, 5.2.6.4). A request without header or status the device reports. */
export class BlockRequests implements RequestAudit {
  readonly #device: BlockDevice;
  readonly #report: Report;
  readonly #header = new Uint8Array(Block.HEADER_BYTES);
  readonly #fields = new DataView(this.#header.buffer);

  constructor(device: BlockDevice, report: Report) {
    this.#device = device;
    this.#report = report;
  }

  exposed(queue: number, buffers: Buffers, head: number): void {
    if (buffers.read(this.#header) < Block.HEADER_BYTES || buffers.writable < 1) return;
    this.#checkFraming(queue, buffers, head);
    const type = this.#fields.getUint32(0, true);
    const sector = this.#fields.getUint32(8, true) + this.#fields.getUint32(12, true) * 2 ** 32;
    const readable = buffers.readable - Block.HEADER_BYTES;
    const writable = buffers.writable - 1;
    if (type === Block.IN || type === Block.OUT) {
      this.#checkRange(queue, sector, type === Block.IN ? writable : readable, head);
    } else if (type === Block.FLUSH) {
      if (sector !== 0) this.#report("5.2.6.1 flush", `a flush of sector ${sector}`, queue, head);
    } else if (type === Block.GET_ID) {
      if (writable === Block.ID_BYTES) return;
      this.#report("5.2.6.1 id", `a GET_ID request with ${writable} bytes of data`, queue, head);
    } else if (SEGMENTED.has(type) && readable % SEGMENT_BYTES !== 0) {
      this.#report(
        "5.2.6.1 segments",
        `a request of type ${type} with ${readable} bytes of data`,
        queue,
        head,
      );
    }
  }

  reset(): void {
    // Requests stand for themselves.
  }

  #checkRange(queue: number, sector: number, length: number, head: number): void {
    const { capacity } = this.#device.backend;
    if (sector * Block.SECTOR + length <= capacity) return;
    const what = `${length} bytes at sector ${sector} of a disk of ${capacity / Block.SECTOR} sectors`;
    this.#report("5.2.6.1 capacity", what, queue, head);
  }

  /** 5.2.6.4 (which has the header's 16 bytes as 8). */
  #checkFraming(queue: number, buffers: Buffers, head: number): void {
    if (!this.#device.legacy || this.#device.has(Feature.common.ANY_LAYOUT)) return;
    const last = buffers.count - 1;
    const separate = buffers.length(0) === Block.HEADER_BYTES && buffers.length(last) === 1;
    if (separate && buffers.isWritable(last)) return;
    const what = `a request that begins with ${buffers.length(0)} bytes and ends with ${buffers.length(last)}`;
    this.#report("5.2.6.4 framing", what, queue, head);
  }
}
