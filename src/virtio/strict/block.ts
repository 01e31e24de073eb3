import type { BlockDevice } from "../block.ts";
import { Block, Feature } from "../spec.ts";
import type { Buffers, RequestAudit } from "./buffers.ts";
import type { Report } from "./report.ts";

/** Requests whose data is segments, struct virtio_blk_discard_write_zeroes (5.2.6), by type. */
const SEGMENTED: ReadonlyMap<number, { name: string; most: string }> = new Map([
  [11, { name: "discard", most: "max_discard_seg" }],
  [13, { name: "write zeroes", most: "max_write_zeroes_seg" }],
  [14, { name: "secure erase", most: "max_secure_erase_seg" }],
]);
const DISCARD = 11;
const SEGMENT_BYTES = 16;
const UNMAP = 1;
/** Segments of one request that are looked at. */
const LOOK = 64;

/** What drivers must keep to in block requests (5.2.6.1, 5.2.6.4). A request without header or status the device reports. */
export class BlockRequests implements RequestAudit {
  readonly #device: BlockDevice;
  readonly #report: Report;
  readonly #bytes = new Uint8Array(Block.HEADER_BYTES + LOOK * SEGMENT_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(device: BlockDevice, report: Report) {
    this.#device = device;
    this.#report = report;
  }

  exposed(queue: number, buffers: Buffers, head: number): void {
    const known = buffers.read(this.#bytes);
    if (known < Block.HEADER_BYTES || buffers.writable < 1) return;
    this.#checkFraming(queue, buffers, head);
    const type = this.#view.getUint32(0, true);
    const sector = this.#sector(8);
    const readable = buffers.readable - Block.HEADER_BYTES;
    const writable = buffers.writable - 1;
    if (type === Block.IN || type === Block.OUT) {
      this.#checkRange(queue, sector, type === Block.IN ? writable : readable, head);
    } else if (type === Block.FLUSH) {
      if (sector !== 0) this.#report("5.2.6.1 flush", `a flush of sector ${sector}`, queue, head);
    } else if (type === Block.GET_ID) {
      if (writable === Block.ID_BYTES) return;
      this.#report("5.2.6.1 id", `a GET_ID request with ${writable} bytes of data`, queue, head);
    } else if (SEGMENTED.has(type)) this.#checkSegments(queue, type, readable, known, head);
  }

  reset(): void {
    // Requests stand for themselves.
  }

  #checkSegments(queue: number, type: number, bytes: number, known: number, head: number): void {
    const { name, most } = SEGMENTED.get(type)!;
    if (bytes % SEGMENT_BYTES !== 0) {
      this.#report("5.2.6.1 segments", `a ${name} request with ${bytes} bytes of data`, queue, head);
    }
    const { config } = this.#device;
    const limit = config.fields.some((field) => field.name === most) ? config.get(most) : 0;
    const count = Math.floor(bytes / SEGMENT_BYTES);
    // Without the feature the limit is 0, and the request is answered with UNSUPP.
    if (limit > 0 && count > limit) {
      this.#report(
        "5.2.6.1 most",
        `a ${name} request of ${count} segments, ${most} is ${limit}`,
        queue,
        head,
      );
    }
    for (let at = Block.HEADER_BYTES; at + SEGMENT_BYTES <= known; at += SEGMENT_BYTES) {
      if (type === DISCARD && this.#view.getUint32(at + 12, true) & UNMAP) {
        this.#report("5.2.6.1 unmap", "a discard with the unmap bit", queue, head);
      }
      this.#checkRange(queue, this.#sector(at), this.#view.getUint32(at + 8, true) * Block.SECTOR, head);
    }
  }

  #checkRange(queue: number, sector: number, length: number, head: number): void {
    const capacity = this.#device.config.get("capacity");
    if (sector * Block.SECTOR + length <= capacity * Block.SECTOR) return;
    const what = `${length} bytes at sector ${sector} of a disk of ${capacity} sectors`;
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

  #sector(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }
}
