import type { BlockBackend } from "../block-backend.ts";
import type { ChainReader } from "../ring/chain.ts";
import { Block, Feature } from "../spec.ts";
import { PIECE, RANGE_LIMITS } from "./model.ts";

/** A request whose data is a list of ranges (5.2.6): struct virtio_blk_discard_write_zeroes. */
export interface RangeCommand {
  readonly feature: bigint;
  /** Flags that mean something; any other is answered with UNSUPP (5.2.6.2). */
  readonly flags: number;
  readonly limits: { readonly bytes: number; readonly segments: number };
}

const UNMAP = 1;

const COMMANDS: ReadonlyMap<number, RangeCommand> = new Map([
  [Block.DISCARD, { feature: Feature.block.DISCARD, flags: 0, limits: RANGE_LIMITS.discard }],
  [
    Block.WRITE_ZEROES,
    { feature: Feature.block.WRITE_ZEROES, flags: UNMAP, limits: RANGE_LIMITS.writeZeroes },
  ],
  [Block.SECURE_ERASE, { feature: Feature.block.SECURE_ERASE, flags: 0, limits: RANGE_LIMITS.secureErase }],
]);

/** The command of that request type, or undefined when the type is something else. */
export function rangeCommand(type: number): RangeCommand | undefined {
  return COMMANDS.get(type);
}

/** Bytes of the disk from `offset` to `end`, of which those from `from` to `to` are dropped and the others overwritten. */
interface Range {
  offset: number;
  end: number;
  from: number;
  to: number;
}

const ZEROES = new Uint8Array(256 << 10);

/**
 * A request on ranges, all of them checked before the first is touched. `run` does as much as it can at once; the backend
 * may have to be waited for in between, as in a long write.
 */
export class RangeWork {
  readonly #backend: BlockBackend;
  readonly #erase: boolean;
  readonly #ranges: readonly Range[];
  #index = 0;
  /** How far the range at `#index` is done. */
  #at: number;

  private constructor(backend: BlockBackend, erase: boolean, ranges: readonly Range[]) {
    this.#backend = backend;
    this.#erase = erase;
    this.#ranges = ranges;
    this.#at = ranges[0]?.offset ?? 0;
  }

  /** What the data in `reader` asks for, or the status with which to refuse it: IOERR or UNSUPP. */
  static read(command: RangeCommand, reader: ChainReader, backend: BlockBackend): RangeWork | number {
    const count = reader.remaining / Block.SEGMENT_BYTES;
    if (!Number.isInteger(count) || count === 0 || count > command.limits.segments) return Block.IOERR;
    const data = new Uint8Array(reader.remaining);
    reader.read(data);
    const view = new DataView(data.buffer);
    for (let at = 0; at < data.length; at += Block.SEGMENT_BYTES) {
      if (view.getUint32(at + 12, true) & ~command.flags) return Block.UNSUPP;
    }
    const ranges: Range[] = [];
    for (let at = 0; at < data.length; at += Block.SEGMENT_BYTES) {
      const sector = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
      const offset = sector * Block.SECTOR;
      const length = view.getUint32(at + 8, true) * Block.SECTOR;
      if (length > command.limits.bytes || offset + length > backend.capacity) return Block.IOERR;
      const unmap = (view.getUint32(at + 12, true) & UNMAP) !== 0;
      ranges.push(rangeOf(command.feature, backend, offset, offset + length, unmap));
    }
    return new RangeWork(backend, command.feature === Feature.block.SECURE_ERASE, ranges);
  }

  /** A promise when the backend has to be waited for before the next call; undefined when all is done. Throws on I/O errors. */
  run(): Promise<void> | undefined {
    for (; this.#index < this.#ranges.length; this.#at = this.#ranges[++this.#index]?.offset ?? 0) {
      const waiting = this.#clear(this.#ranges[this.#index]!);
      if (waiting) return waiting;
    }
    return undefined;
  }

  #clear(range: Range): Promise<void> | undefined {
    const { end, from } = range;
    const { capacity, unmap } = this.#backend;
    if (end > capacity) throw new RangeError("the disk has shrunk meanwhile");
    const loose = range.to < capacity && !this.#erase && unmap ? range.to % unmap.unit : 0;
    const to = range.to - loose;
    while (this.#at < end) {
      if (this.#at === from && from < to) {
        if (this.#erase) this.#backend.erase?.(from, to - from);
        else unmap?.range(from, to - from);
        this.#at = to;
        continue;
      }
      const stop = this.#at < from ? from : end;
      const length = Math.min(stop - this.#at, PIECE);
      const waiting = this.#backend.prepare(this.#at, length, true);
      if (waiting) return waiting;
      for (let left = length; left > 0;) {
        const piece = left < ZEROES.length ? ZEROES.subarray(0, left) : ZEROES;
        this.#backend.write(this.#at, piece);
        this.#at += piece.length;
        left -= piece.length;
      }
    }
    return undefined;
  }
}

/** Which bytes of a range to drop, and which to overwrite. */
function rangeOf(feature: bigint, backend: BlockBackend, offset: number, end: number, unmap: boolean): Range {
  const { DISCARD, SECURE_ERASE } = Feature.block;
  if (feature === SECURE_ERASE) return { offset, end, from: offset, to: end };
  const none = { offset, end, from: end, to: end };
  const discard = feature === DISCARD;
  if (!backend.unmap || !(discard || unmap)) return none;
  const { unit } = backend.unmap;
  const from = Math.ceil(offset / unit) * unit;
  // The last unit may be one in part. A disk that grows while the request waits is the reason for a second look (#clear).
  const to = end === backend.capacity ? end : Math.floor(end / unit) * unit;
  // 5.2.6.2: a discard may leave what does not fill a unit as it is; zeroes have to be zeroes to the last byte.
  if (discard) return { offset: from, end: to, from, to };
  return from < to ? { offset, end, from, to } : none;
}
