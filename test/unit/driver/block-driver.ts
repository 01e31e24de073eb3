import { BlockDevice, type BlockOptions } from "../../../src/virtio/block.ts";
import type { BlockBackend } from "../../../src/virtio/block-backend.ts";
import { Driver, type DriverOptions } from "./driver.ts";
import type { Placement, Segment } from "./queue.ts";

/** Request types and results, 5.2.6. */
export const IN = 0;
export const OUT = 1;
export const FLUSH = 4;
export const GET_ID = 8;
export const DISCARD = 11;
export const WRITE_ZEROES = 13;
export const SECURE_ERASE = 14;
export const OK = 0;
export const IOERR = 1;
export const UNSUPP = 2;
/** What stands in the status byte while the device has not written it. */
export const UNTOUCHED = 0xee;

export interface BlockAnswer {
  status: number;
  /** used.len */
  length: number;
  /** What came back in the data buffers. */
  data: Uint8Array;
}

export interface RequestOptions {
  placement?: Placement;
  /** Cuts the readable and the writable bytes into pieces of these lengths, in turn; one piece for each part unless given. */
  pieces?: readonly number[];
  /** Bytes of the request header to send, of 16. */
  header?: number;
  /** No status byte. */
  withoutStatus?: boolean;
}

/** Sectors of 512 bytes; bit 0 of the flags is unmap. */
export interface SectorRange {
  sector: number | bigint;
  count: number;
  flags?: number;
}

/** A driver of the block device (5.2.6), with every request's buffers cut wherever a test wants. */
export class BlockDriver {
  readonly device: BlockDevice;
  readonly driver: Driver;

  constructor(backend: BlockBackend, options: DriverOptions & { device?: Partial<BlockOptions> } = {}) {
    this.device = new BlockDevice({ id: "disk-under-test", backend, ...options.device });
    this.driver = Driver.start(this.device, options);
  }

  read(sector: number | bigint, length: number, options?: RequestOptions): Promise<BlockAnswer> {
    return this.request(IN, sector, new Uint8Array(), length, options);
  }

  write(sector: number | bigint, data: Uint8Array, options?: RequestOptions): Promise<BlockAnswer> {
    return this.request(OUT, sector, data, 0, options);
  }

  flush(options?: RequestOptions): Promise<BlockAnswer> {
    return this.request(FLUSH, 0, new Uint8Array(), 0, options);
  }

  /** A discard, write zeroes or secure erase of these ranges (struct virtio_blk_discard_write_zeroes). */
  ranges(type: number, ranges: readonly SectorRange[], options?: RequestOptions): Promise<BlockAnswer> {
    const view = new DataView(new ArrayBuffer(16 * ranges.length));
    ranges.forEach(({ sector, count, flags = 0 }, index) => {
      view.setBigUint64(16 * index, BigInt(sector), true);
      view.setUint32(16 * index + 8, count, true);
      view.setUint32(16 * index + 12, flags, true);
    });
    return this.request(type, 0, new Uint8Array(view.buffer), 0, options);
  }

  /** Sends one request and resolves with what came back. */
  async request(
    type: number,
    sector: number | bigint,
    data: Uint8Array,
    wanted: number,
    options: RequestOptions = {},
  ): Promise<BlockAnswer> {
    const { memory } = this.driver;
    const out = new Uint8Array(16 + data.length);
    const view = new DataView(out.buffer);
    view.setUint32(0, type, true);
    view.setBigUint64(8, BigInt(sector), true);
    out.set(data, 16);
    const outAddress = memory.put(options.header === undefined ? out : out.subarray(0, options.header));
    const inLength = wanted + (options.withoutStatus ? 0 : 1);
    const inAddress = memory.allocate(inLength, 1);
    memory.u8.fill(UNTOUCHED, inAddress, inAddress + inLength);

    const outLength = options.header ?? out.length;
    const segments = options.pieces
      ? [
          ...cut(outAddress, outLength, options.pieces, false),
          ...cut(inAddress, inLength, options.pieces, true),
        ]
      : [
          { address: outAddress, length: Math.min(16, outLength) },
          ...(outLength > 16 ? [{ address: outAddress + 16, length: outLength - 16 }] : []),
          ...(wanted > 0 ? [{ address: inAddress, length: wanted, writable: true }] : []),
          ...(options.withoutStatus ? [] : [{ address: inAddress + wanted, length: 1, writable: true }]),
        ];
    const length = await this.driver.request(0, segments, options.placement);
    return { status: memory.u8[inAddress + wanted]!, length, data: memory.get(inAddress, wanted) };
  }
}

function cut(address: number, length: number, pieces: readonly number[], writable: boolean): Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  for (let i = 0; at < length; i++) {
    const step = Math.min(pieces[i % pieces.length]!, length - at);
    segments.push({ address: address + at, length: step, writable });
    at += step;
  }
  return segments;
}
