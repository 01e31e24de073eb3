import type { NamedValue } from "../../../virtio/view/types.ts";
import { sizeText } from "../capacity.ts";
import type { HoleStore } from "../chunk-store.ts";
import { DiskError } from "../errors.ts";
import type { BaseRecord } from "../overlay-base.ts";
import {
  CHUNK_SIZE,
  ENTRY,
  HOLE,
  NOWHERE,
  PAGE,
  type Superblock,
  chunkDigest,
  encodeSuperblock,
  partBytes,
  largestCapacity,
} from "./format.ts";
import type { OverlayIo } from "./io.ts";
import { type Commit, type Position, type Written, beginning, layOut, newSeed } from "./journal.ts";
import { OverlayMap, readOverlay } from "./map.ts";
import { Slots } from "./slots.ts";

/** Bytes of journal below which it is never compacted. */
const SHORT_JOURNAL = 4 * 1024 * 1024;

/** How many times longer than a snapshot a journal may be. */
const LONG_JOURNAL = 3;

export interface OverlayFileOptions {
  /** As messages call it: `The disk file home.overlay`. */
  label: string;
  readOnly?: boolean;
  /** Makes a DiskError of what the file reported. */
  explain: (cause: unknown) => DiskError;
  /** Bytes of journal below which it is never compacted, other than usual. */
  shortJournal?: number;
}

/** The changes of a disk over a base, in a file: see format.ts. One save at a time. */
export class OverlayFile implements HoleStore {
  readonly #io: OverlayIo;
  readonly #options: OverlayFileOptions;
  #superblock: Superblock;
  readonly #map: OverlayMap;
  readonly #slots: Slots;
  #seed: Uint8Array;
  #journalSlots: number[];
  #position: Position;
  /** The last commit changed something: what follows it proves it (see format.ts). */
  #unproven = false;
  /** Commits that were begun since the file was opened. */
  #commits = 0;
  /** The commit under way. */
  #turn: Promise<void> | undefined;
  /** Why nothing can be written any more: after a sync that failed, nobody knows what the file has. */
  #failure: DiskError | undefined;

  /** Makes an empty overlay in an empty file; resolves when it is durable. @param capacity size of the disk in bytes */
  static async create(
    io: OverlayIo,
    base: BaseRecord,
    capacity: number,
    chunkSize = CHUNK_SIZE,
  ): Promise<void> {
    checkDescribable(capacity, chunkSize);
    const seed = newSeed();
    const superblock: Superblock = {
      chunkSize,
      generation: 1,
      journal: 1,
      seed: Buffer.from(seed).toString("hex"),
      created: new Date().toISOString(),
      base,
    };
    const bytes = encodeSuperblock(superblock);
    for (const copy of [0, 1]) io.write([bytes], copy * PAGE);
    const empty = { capacity, entries: new Uint32Array(0) };
    const { pieces } = layOut(empty, beginning(1), { seed, chunkSize, take: () => 2 });
    for (const piece of pieces) io.write([piece.bytes], piece.position);
    extend(io, [2], chunkSize);
    await io.sync();
  }

  /**
   * Reads the map of an overlay file, and leaves the file as it is unless it can be written.
   * Rejects with a DiskError "invalid" when the file is none, is damaged, or of another version.
   */
  static async open(io: OverlayIo, options: OverlayFileOptions): Promise<OverlayFile> {
    const found = readOverlay(io, options.label);
    const file = new OverlayFile(io, options, found);
    if (!options.readOnly) await file.#settle(found.dropped);
    return file;
  }

  private constructor(io: OverlayIo, options: OverlayFileOptions, found: ReturnType<typeof readOverlay>) {
    this.#io = io;
    this.#options = options;
    this.#superblock = found.superblock;
    this.#seed = Buffer.from(found.superblock.seed, "hex");
    this.#map = found.map;
    this.#journalSlots = found.journalSlots;
    this.#position = found.end;
    this.#slots = new Slots([...found.journalSlots, ...found.map.slots()]);
  }

  /** Bytes. */
  get chunkSize(): number {
    return this.#superblock.chunkSize;
  }

  state(): NamedValue[] {
    return [
      { name: "store", value: "overlay file" },
      { name: "commits", value: `${this.#commits}` },
      { name: "journal", value: `number ${this.#superblock.journal}, ${this.#journalSlots.length} slots` },
    ];
  }

  /** The disk's size in bytes. */
  get capacity(): number {
    return this.#map.capacity;
  }

  get base(): BaseRecord {
    return this.#superblock.base;
  }

  /** The numbers of all chunks and holes, in new sets. */
  contents(): { chunks: Set<number>; holes: Set<number> } {
    return this.#map.contents();
  }

  load(numbers: readonly number[]): Promise<(Uint8Array | DiskError)[]> {
    return Promise.resolve(numbers.map((number) => this.#loadOne(number)));
  }

  // Not async: the bytes are to be taken now.
  save(
    chunks: [number: number, data: Uint8Array][],
    removed: readonly number[],
    holes: readonly number[] = [],
  ): Promise<void> {
    const taken = this.#turn
      ? chunks.map(([number, data]): (typeof chunks)[0] => [number, data.slice()])
      : chunks;
    return this.#inTurn(() => this.#commit(this.#map.capacity, taken, removed, holes));
  }

  async setCapacity(bytes: number): Promise<void> {
    checkDescribable(bytes, this.chunkSize);
    await this.#inTurn(() => this.#commit(bytes, [], [], []));
  }

  async close(): Promise<void> {
    await this.#turn?.catch(() => undefined);
    try {
      if (this.#unproven && !this.#failure) await this.#commit(this.#map.capacity, [], [], []);
    } finally {
      this.#io.close();
    }
  }

  /** Makes what a replay found durable, and what it dropped impossible to find again. */
  async #settle(dropped: Position | undefined): Promise<void> {
    try {
      if (dropped) this.#io.write([new Uint8Array(PAGE)], this.#place(dropped));
      await this.#io.sync();
    } catch (cause) {
      throw this.#options.explain(cause);
    }
  }

  #loadOne(number: number): Uint8Array | DiskError {
    const slot = this.#map.slotOf(number);
    if (slot === undefined) return this.#damaged(number);
    const data = new Uint8Array(this.chunkSize);
    try {
      const count = this.#io.read(data, slot * this.chunkSize);
      return count === data.length && this.#map.isChunk(slot, data) ? data : this.#damaged(number);
    } catch (cause) {
      return this.#options.explain(cause);
    }
  }

  #damaged(number: number): DiskError {
    return new DiskError("io", `${this.#options.label} is damaged: chunk ${number} is not what was saved.`);
  }

  /** One after the other; at once when nothing is under way. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#turn ? this.#turn.then(act, act) : act();
    this.#turn = turn;
    const done = (): void => {
      if (this.#turn === turn) this.#turn = undefined;
    };
    turn.then(done, done);
    return turn;
  }

  async #commit(
    capacity: number,
    chunks: readonly [number: number, data: Uint8Array][],
    removed: readonly number[],
    holes: readonly number[],
  ): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.#commits++;
    const taken: number[] = [];
    const take = (): number => {
      taken.push(this.#slots.take());
      return taken.at(-1)!;
    };
    try {
      const slots = chunks.map(take).sort((a, b) => a - b);
      const changes = this.#changes(chunks, slots, removed, holes);
      this.#writeChunks(chunks, slots);
      if (this.#journalIsLong()) await this.#compact(capacity, changes, take);
      else await this.#append({ capacity, entries: changes }, take);
    } catch (cause) {
      // Nothing that counts names them.
      if (!this.#isBroken()) this.#slots.give(taken);
      throw this.#options.explain(cause);
    }
    this.#unproven = chunks.length + removed.length + holes.length > 0;
  }

  /** The entries of a commit. */
  #changes(
    chunks: readonly [number: number, data: Uint8Array][],
    slots: readonly number[],
    removed: readonly number[],
    holes: readonly number[],
  ): Uint32Array {
    const written = new Set(chunks.map(([number]) => number));
    const gone = removed.filter((number) => !written.has(number) && this.#map.has(number));
    const entries = new Uint32Array((chunks.length + gone.length + holes.length) * ENTRY);
    let at = 0;
    for (const [index, [number, data]] of chunks.entries()) {
      entries[at] = number;
      entries[at + 1] = slots[index]!;
      chunkDigest(data, entries, at + 2);
      at += ENTRY;
    }
    for (const number of gone) {
      entries.set([number, NOWHERE], at);
      at += ENTRY;
    }
    for (const number of holes) {
      entries.set([number, HOLE], at);
      at += ENTRY;
    }
    return entries;
  }

  /** Writes the chunks to the slots, neighbours in one call. */
  #writeChunks(chunks: readonly [number: number, data: Uint8Array][], slots: readonly number[]): void {
    for (let first = 0, end = 0; first < chunks.length; first = end) {
      while (end < chunks.length && slots[end]! - slots[first]! === end - first) end++;
      const run = chunks.slice(first, end).map(([, data]) => data);
      this.#io.write(run, slots[first]! * this.chunkSize);
    }
  }

  async #append(commit: Commit, take: () => number): Promise<void> {
    const written = layOut(commit, this.#position, { seed: this.#seed, chunkSize: this.chunkSize, take });
    this.#writePieces(written);
    extend(this.#io, written.slots, this.chunkSize);
    await this.#sync();
    this.#position = written.end;
    this.#journalSlots.push(...written.slots);
    this.#slots.give(this.#map.apply(commit));
  }

  #journalIsLong(): boolean {
    const { shortJournal = SHORT_JOURNAL } = this.#options;
    const length = this.#journalSlots.length * this.chunkSize;
    return length > shortJournal && length > LONG_JOURNAL * partBytes(this.#map.size);
  }

  /** Commits the changes as the snapshot of a new journal. */
  async #compact(capacity: number, changes: Uint32Array, take: () => number): Promise<void> {
    const seed = newSeed();
    const first = take();
    const snapshot = { capacity, entries: this.#map.snapshot(changes) };
    const written = layOut(snapshot, beginning(first), { seed, chunkSize: this.chunkSize, take });
    this.#writePieces(written);
    extend(this.#io, [first, ...written.slots], this.chunkSize);
    await this.#sync();

    const superblock = {
      ...this.#superblock,
      generation: this.#superblock.generation + 1,
      journal: first,
      seed: Buffer.from(seed).toString("hex"),
    };
    await this.#writeSuperblock(superblock);
    this.#superblock = superblock;
    this.#seed = seed;
    this.#position = written.end;
    const old = this.#journalSlots;
    this.#journalSlots = [first, ...written.slots];
    this.#slots.give(this.#map.apply({ capacity, entries: changes }));
    this.#slots.give(old);
  }

  /** One copy durably, and then the other, which the next sync makes durable: until then the first is enough. */
  async #writeSuperblock(superblock: Superblock): Promise<void> {
    const bytes = encodeSuperblock(superblock);
    const copy = superblock.generation % 2;
    try {
      this.#io.write([bytes], copy * PAGE);
      await this.#sync();
    } catch (cause) {
      throw (this.#failure ??= this.#options.explain(cause));
    }
    try {
      this.#io.write([bytes], (1 - copy) * PAGE);
    } catch {
      // The commit is durable without it; what fails here fails the next commit.
    }
  }

  #writePieces({ pieces }: Written): void {
    for (const { bytes, position } of pieces) this.#io.write([bytes], position);
  }

  async #sync(): Promise<void> {
    try {
      await this.#io.sync();
    } catch (cause) {
      // Linux forgets pages that it could not write: no later sync can be believed.
      throw (this.#failure ??= this.#options.explain(cause));
    }
  }

  #isBroken(): boolean {
    return this.#failure !== undefined;
  }

  #place({ slot, offset }: Position): number {
    return slot * this.chunkSize + offset;
  }
}

/** Has the file end behind these slots at least, for a file that is cut short is known by the lack of one (format.ts). */
function extend(io: OverlayIo, slots: readonly number[], chunkSize: number): void {
  const end = (Math.max(0, ...slots) + 1) * chunkSize;
  if (io.size() < end) io.write([new Uint8Array(1)], end - 1);
}

function checkDescribable(capacity: number, chunkSize: number): void {
  const largest = largestCapacity(chunkSize);
  if (capacity > largest) {
    throw new DiskError(
      "invalid",
      `A disk over a base in a file cannot be larger than ${sizeText(largest)}.`,
    );
  }
}
