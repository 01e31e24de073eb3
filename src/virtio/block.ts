import type { BlockBackend } from "./block-backend.ts";
import { CacheMode } from "./block/cache-mode.ts";
import { type BlockFeatureOptions, blockModel, fillConfig, PIECE } from "./block/model.ts";
import { type RangeCommand, rangeCommand, RangeWork } from "./block/ranges.ts";
import { type DeviceOptions, VirtioDevice } from "./device.ts";
import type { Virtqueue } from "./queue.ts";
import type { DescriptorChain } from "./ring/chain.ts";
import { Block } from "./spec.ts";
import { bytesText } from "./view/bytes-text.ts";
import type { NamedValue } from "./view/types.ts";

export interface BlockOptions extends DeviceOptions, BlockFeatureOptions {
  /** The serial number that GET_ID returns: at most 20 bytes (5.2.6). */
  id: string;
  backend: BlockBackend;
}

/** The block device (virtio 1.3, 5.2) in front of whatever keeps its bytes. */
export class BlockDevice extends VirtioDevice {
  readonly backend: BlockBackend;
  readonly id: string;
  readonly #header = new Uint8Array(Block.HEADER_BYTES);
  readonly #fields = new DataView(this.#header.buffer);
  readonly #status = new Uint8Array(1);
  readonly #blockSize: number;
  readonly #cache: CacheMode;
  /** Bytes read, written, and requests that failed, since power-on. */
  readonly counters = { bytesRead: 0, bytesWritten: 0, flushes: 0, errors: 0 };

  constructor(options: BlockOptions) {
    const { id, backend } = options;
    super(blockModel(backend, options), options);
    this.id = id;
    this.backend = backend;
    this.#blockSize = options.blkSize ?? Block.SECTOR;
    fillConfig(this.config, backend, options, (bit) => ((this.offered >> bit) & 1n) === 1n);
    this.#showCapacity();
    this.#cache = new CacheMode(this, options.configWce !== false);
    backend.onResize(() => {
      this.#showCapacity();
      this.configChanged();
    });
  }

  override state(): NamedValue[] {
    const { bytesRead, bytesWritten, flushes, errors } = this.counters;
    return [
      { name: "capacity", value: bytesText(this.backend.capacity) },
      { name: "read-only", value: this.backend.readOnly ? "yes" : "no" },
      ...(this.backend.state?.() ?? []),
      { name: "read by the guest", value: bytesText(bytesRead) },
      { name: "written by the guest", value: bytesText(bytesWritten) },
      { name: "flushes", value: `${flushes}` },
      { name: "failed requests", value: `${errors}` },
    ];
  }

  /** Whole logical blocks only: what is left over could never be reached. */
  #showCapacity(): void {
    const blocks = Math.floor(this.backend.capacity / this.#blockSize);
    this.config.set("capacity", (blocks * this.#blockSize) / Block.SECTOR);
  }

  protected override onFeatures(): void {
    this.#cache.negotiated();
  }

  protected override onReady(): void {
    this.#cache.ready();
  }

  protected override onReset(): void {
    this.#cache.reset();
  }

  protected override onConfigWrite(): void {
    this.#cache.written(); // no other field can be
  }

  protected override process(queue: Virtqueue): void {
    for (let chain = queue.take(); chain; chain = queue.take()) {
      void this.#begin(queue, chain);
    }
  }

  /** Handles one request; returns a promise only when it has to wait for the backend. */
  #begin(queue: Virtqueue, chain: DescriptorChain): Promise<void> | undefined {
    const { reader, writer } = chain;
    if (reader.read(this.#header) < Block.HEADER_BYTES || writer.total < 1) {
      this.violation(
        "5.2.6 request",
        `a request of ${reader.total} readable and ${writer.total} writable bytes`,
        queue.index,
      );
      this.#finish(queue, chain, Block.IOERR);
      return undefined;
    }
    const type = this.#fields.getUint32(0, true);
    const sector = this.#fields.getUint32(8, true) + this.#fields.getUint32(12, true) * 2 ** 32;
    switch (type) {
      case Block.IN:
        return this.#transfer(queue, chain, sector, writer.total - 1, false);
      case Block.OUT:
        return this.#transfer(queue, chain, sector, reader.remaining, true);
      case Block.FLUSH:
        return this.#flush(queue, chain);
      case Block.GET_ID:
        this.#finish(queue, chain, this.#writeId(chain));
        return undefined;
      default:
        return this.#other(queue, chain, type);
    }
  }

  /** What drivers ask for more rarely. */
  #other(queue: Virtqueue, chain: DescriptorChain, type: number): Promise<void> | undefined {
    if (type === Block.FLUSH_OUT && this.legacy) return this.#flush(queue, chain); // 5.2.6.3
    const command = rangeCommand(type);
    if (command && this.has(command.feature)) return this.#clear(queue, chain, command);
    this.#finish(queue, chain, Block.UNSUPP);
    return undefined;
  }

  #flush(queue: Virtqueue, chain: DescriptorChain): Promise<void> | undefined {
    this.counters.flushes++;
    return this.#after(queue, chain, () => this.backend.flush());
  }

  #transfer(
    queue: Virtqueue,
    chain: DescriptorChain,
    sector: number,
    length: number,
    write: boolean,
  ): Promise<void> | undefined {
    const offset = sector * Block.SECTOR;
    if (
      length % Block.SECTOR !== 0 ||
      offset + length > this.backend.capacity ||
      (write && this.backend.readOnly)
    ) {
      if (length % Block.SECTOR !== 0)
        this.violation("5.2.6.1 multiple", `a transfer of ${length} bytes`, queue.index);
      this.#finish(queue, chain, Block.IOERR);
      return undefined;
    }
    const end = offset + length;
    try {
      for (let at = offset; at < end; at += PIECE) {
        const waiting = this.backend.prepare(at, Math.min(PIECE, end - at), write);
        if (waiting) return this.#transferLater(waiting, queue, chain, at, end, write);
        this.#move(chain, at, Math.min(PIECE, end - at), write);
      }
    } catch {
      this.#finish(queue, chain, Block.IOERR);
      return undefined;
    }
    return this.#moved(queue, chain, write);
  }

  /** All of a transfer's bytes are where they should be. */
  #moved(queue: Virtqueue, chain: DescriptorChain, write: boolean): Promise<void> | undefined {
    if (write && this.#cache.writeThrough) return this.#after(queue, chain, () => this.backend.flush());
    this.#finish(queue, chain, Block.OK);
    return undefined;
  }

  /** The rest of a transfer from the piece at `offset` on, for which `first` has to be waited. */
  async #transferLater(
    first: Promise<void>,
    queue: Virtqueue,
    chain: DescriptorChain,
    offset: number,
    end: number,
    write: boolean,
  ): Promise<void> {
    try {
      for (let at = offset; at < end; at += PIECE) {
        const length = Math.min(PIECE, end - at);
        let waiting = at === offset ? first : this.backend.prepare(at, length, write);
        for (; waiting; waiting = this.backend.prepare(at, length, write)) {
          await waiting;
          if (!chain.inFlight) return; // reset meanwhile
          if (end > this.backend.capacity) throw new RangeError("the disk has shrunk meanwhile");
        }
        this.#move(chain, at, length, write);
      }
    } catch {
      this.#finish(queue, chain, Block.IOERR);
      return;
    }
    await this.#moved(queue, chain, write);
  }

  /** Copies between the disk and the guest's buffers; `prepare` has made the range ready. */
  #move(chain: DescriptorChain, offset: number, length: number, write: boolean): void {
    let left = length;
    let at = offset;
    const cursor = write ? chain.reader : chain.writer;
    while (left > 0) {
      const piece = cursor.view(left);
      if (write) this.backend.write(at, piece);
      else this.backend.read(at, piece);
      at += piece.length;
      left -= piece.length;
    }
    if (write) this.counters.bytesWritten += length;
    else this.counters.bytesRead += length;
  }

  /** Discard, write zeroes and secure erase. */
  #clear(queue: Virtqueue, chain: DescriptorChain, command: RangeCommand): Promise<void> | undefined {
    const work = RangeWork.read(command, chain.reader, this.backend);
    if (typeof work === "number") {
      this.#finish(queue, chain, work);
      return undefined;
    }
    try {
      const waiting = work.run();
      if (waiting) return this.#clearLater(waiting, queue, chain, work);
    } catch {
      this.#finish(queue, chain, Block.IOERR);
      return undefined;
    }
    return this.#moved(queue, chain, true);
  }

  /** The rest of that work, for which `first` has to be waited. */
  async #clearLater(
    first: Promise<void>,
    queue: Virtqueue,
    chain: DescriptorChain,
    work: RangeWork,
  ): Promise<void> {
    try {
      for (let waiting: Promise<void> | undefined = first; waiting; waiting = work.run()) {
        await waiting;
        if (!chain.inFlight) return; // reset meanwhile
      }
    } catch {
      this.#finish(queue, chain, Block.IOERR);
      return;
    }
    await this.#moved(queue, chain, true);
  }

  #after(
    queue: Virtqueue,
    chain: DescriptorChain,
    work: () => Promise<void> | undefined,
  ): Promise<void> | undefined {
    const failed = (): void => this.#finish(queue, chain, Block.IOERR);
    try {
      const waiting = work();
      if (waiting) return waiting.then(() => this.#finish(queue, chain, Block.OK), failed);
      this.#finish(queue, chain, Block.OK);
    } catch {
      failed();
    }
    return undefined;
  }

  #writeId(chain: DescriptorChain): number {
    if (chain.writer.total !== Block.ID_BYTES + 1) return Block.IOERR;
    const serial = new Uint8Array(Block.ID_BYTES);
    new TextEncoder().encodeInto(this.id, serial);
    chain.writer.write(serial);
    return Block.OK;
  }

  /** Writes the status byte, the last of the writable ones (5.2.6), and gives the chain back. */
  #finish(queue: Virtqueue, chain: DescriptorChain, status: number): void {
    const { writer } = chain;
    if (status !== Block.OK) this.counters.errors++;
    const filled = status === Block.OK ? writer.total - writer.remaining : 0;
    writer.skip(writer.remaining - 1);
    this.#status[0] = status;
    writer.write(this.#status);
    // 2.7.8.2: the used length counts from the first byte on, so it ends before what a failed read did not fill.
    queue.put(chain, filled === writer.total - 1 ? writer.total : filled);
  }
}
