import { checkCapacity } from "../capacity.ts";
import { DiskError } from "../errors.ts";
import type { BaseRecord } from "../overlay-base.ts";
import {
  ENTRY,
  HOLE,
  NOWHERE,
  PAGE,
  type Superblock,
  VERSION,
  chunkDigest,
  decodeSuperblock,
  looksLikeOverlay,
} from "./format.ts";
import type { OverlayIo } from "./io.ts";
import { type Commit, type Position, replay } from "./journal.ts";

/** Where each chunk of the disk is in an overlay file. */
export class OverlayMap {
  /** The disk's size in bytes. */
  capacity = 0;
  readonly #chunks = new Map<number, number>();
  readonly #holes = new Set<number>();
  /** Two words for each slot. */
  #digests = new Uint32Array(2048);

  /** Chunks and holes. */
  get size(): number {
    return this.#chunks.size + this.#holes.size;
  }

  has(number: number): boolean {
    return this.#chunks.has(number) || this.#holes.has(number);
  }

  slotOf(number: number): number | undefined {
    return this.#chunks.get(number);
  }

  /** Slots of all chunks. */
  slots(): Iterable<number> {
    return this.#chunks.values();
  }

  contents(): { chunks: Set<number>; holes: Set<number> } {
    return { chunks: new Set(this.#chunks.keys()), holes: new Set(this.#holes) };
  }

  /** Whether the bytes of a slot are those that were saved in it. */
  isChunk(slot: number, data: Uint8Array): boolean {
    const digest = new Uint32Array(2);
    chunkDigest(data, digest, 0);
    return digest[0] === this.#digests[slot * 2] && digest[1] === this.#digests[slot * 2 + 1];
  }

  /** Returns the slots that nothing refers to any more. */
  apply({ capacity, entries }: Commit): number[] {
    const free: number[] = [];
    this.capacity = capacity;
    for (let at = 0; at < entries.length; at += ENTRY) {
      const number = entries[at]!;
      const slot = entries[at + 1]!;
      const before = this.#chunks.get(number);
      if (before !== undefined) free.push(before);
      this.#chunks.delete(number);
      this.#holes.delete(number);
      if (slot === HOLE) this.#holes.add(number);
      else if (slot !== NOWHERE) this.#put(number, slot, entries[at + 2]!, entries[at + 3]!);
    }
    return free;
  }

  /** The entries of a map that has these changes, too. */
  snapshot(changes: Uint32Array): Uint32Array {
    const changed = new Set<number>();
    for (let at = 0; at < changes.length; at += ENTRY) changed.add(changes[at]!);
    const entries = new Uint32Array(this.size * ENTRY + changes.length);
    let end = 0;
    const add = (...entry: number[]): void => {
      entries.set(entry, end);
      end += ENTRY;
    };
    for (const [number, slot] of this.#chunks) {
      if (!changed.has(number)) add(number, slot, this.#digests[slot * 2]!, this.#digests[slot * 2 + 1]!);
    }
    for (const number of this.#holes) if (!changed.has(number)) add(number, HOLE, 0, 0);
    for (let at = 0; at < changes.length; at += ENTRY) {
      if (changes[at + 1] !== NOWHERE) add(...changes.subarray(at, at + ENTRY));
    }
    return entries.slice(0, end);
  }

  #put(number: number, slot: number, low: number, high: number): void {
    this.#chunks.set(number, slot);
    if (this.#digests.length < (slot + 1) * 2) {
      const larger = new Uint32Array(Math.max(this.#digests.length * 2, (slot + 1) * 2));
      larger.set(this.#digests);
      this.#digests = larger;
    }
    this.#digests[slot * 2] = low;
    this.#digests[slot * 2 + 1] = high;
  }
}

export interface FoundOverlay {
  superblock: Superblock;
  map: OverlayMap;
  journalSlots: number[];
  /** Where the journal ends. */
  end: Position;
  /** Where the commit begins that was left out, for not all that it names had come into the file. */
  dropped: Position | undefined;
}

/**
 * Reads what an overlay file says. Writes nothing.
 *
 * @param label for messages: `The disk file home.overlay`
 * @throws DiskError "invalid" when the file is none, is damaged, or of a newer version; and what the file throws
 */
export function readOverlay(io: OverlayIo, label: string): FoundOverlay {
  const superblock = findSuperblock(io, label);
  const { chunkSize, journal } = superblock;
  const seed = Buffer.from(superblock.seed, "hex");
  const map = new OverlayMap();
  const fileSize = io.size();
  let pending: { commit: Commit; begin: Position; slots: readonly number[] } | undefined;

  const found = replay(io, journal, { seed, chunkSize }, (commit, begin, slots) => {
    checkChunks(commit, chunkSize, label);
    if (pending) apply(pending.commit);
    pending = { commit, begin, slots: [...slots] };
  });
  if (found.damaged) throw damaged(label, "a part of its journal cannot be read");
  if (!pending) throw damaged(label, "its journal cannot be read");

  const { commit, begin, slots } = pending;
  const isDurable = begin.commit === 0 || found.proven; // a snapshot was durable before its superblock was
  const counts = isDurable || (hasSlots(found.slots) && isWhole(commit, io, chunkSize));
  if (counts) apply(commit);
  const journalSlots = counts ? found.slots : [...slots];
  if (!hasSlots(journalSlots)) throw cutShort(label, fileSize, lengthWith(journalSlots, chunkSize));
  checkSlots(map, journalSlots, label);
  return {
    superblock,
    map,
    journalSlots,
    end: counts ? found.end : begin,
    dropped: counts ? undefined : begin,
  };

  function hasSlots(wanted: readonly number[]): boolean {
    return lengthWith(wanted, chunkSize) <= fileSize;
  }

  function apply(durable: Commit): void {
    checkLength(durable, chunkSize, fileSize, label);
    map.apply(durable);
  }
}

/** The base of an overlay file; undefined for a file that is none. */
export function overlayBase(io: OverlayIo): BaseRecord | undefined {
  return superblockIn(firstPages(io)).found?.base;
}

function firstPages(io: OverlayIo): Uint8Array {
  const pages = new Uint8Array(2 * PAGE);
  return pages.subarray(0, io.read(pages, 0));
}

/** The superblock of the last generation, and whether there is one of a newer version. */
function superblockIn(bytes: Uint8Array): { found: Superblock | undefined; newer: boolean } {
  let found: Superblock | undefined;
  let newer = false;
  for (const offset of [0, PAGE]) {
    const superblock = decodeSuperblock(bytes.subarray(offset, offset + PAGE));
    if (superblock === "newer") newer = true;
    else if (superblock && (!found || superblock.generation > found.generation)) found = superblock;
  }
  return { found, newer };
}

function findSuperblock(io: OverlayIo, label: string): Superblock {
  const bytes = firstPages(io);
  const { found, newer } = superblockIn(bytes);
  if (newer) {
    throw new DiskError(
      "invalid",
      `${label} was made by a newer version of Ringside; this one knows version ${VERSION} of such files.`,
    );
  }
  if (found) return found;
  if (looksLikeOverlay(bytes)) throw damaged(label, "its beginning cannot be read");
  throw new DiskError(
    "invalid",
    `${label} does not hold the changes of a disk over a base. Leave out the base if it is a disk image, or name another file.`,
  );
}

/** Refuses a commit that names what there cannot be. */
function checkChunks(commit: Commit, chunkSize: number, label: string): void {
  checkCapacity(commit.capacity, label);
  const chunks = Math.ceil(commit.capacity / chunkSize);
  for (let at = 0; at < commit.entries.length; at += ENTRY) {
    if (commit.entries[at]! >= chunks)
      throw damaged(label, "its journal names a chunk that is not the disk's");
  }
}

/** Whether all chunks that a commit names are in the file. */
function isWhole({ entries }: Commit, io: OverlayIo, chunkSize: number): boolean {
  const data = new Uint8Array(chunkSize);
  const digest = new Uint32Array(2);
  for (let at = 0; at < entries.length; at += ENTRY) {
    const slot = entries[at + 1]!;
    if (slot === HOLE || slot === NOWHERE) continue;
    if (io.read(data, slot * chunkSize) < chunkSize) return false;
    chunkDigest(data, digest, 0);
    if (digest[0] !== entries[at + 2] || digest[1] !== entries[at + 3]) return false;
  }
  return true;
}

/** Refuses a file without all the slots that a durable commit names. */
function checkLength({ entries }: Commit, chunkSize: number, fileSize: number, label: string): void {
  for (let at = 0; at < entries.length; at += ENTRY) {
    const slot = entries[at + 1]!;
    const end = (slot + 1) * chunkSize;
    if (slot === NOWHERE || end <= fileSize) continue;
    throw cutShort(label, fileSize, end);
  }
}

/** Bytes of a file that has these slots. */
function lengthWith(slots: readonly number[], chunkSize: number): number {
  return slots.reduce((length, slot) => Math.max(length, (slot + 1) * chunkSize), 0);
}

function cutShort(label: string, has: number, needs: number): DiskError {
  return damaged(label, `it is cut short: it has ${has} bytes, and at least ${needs} are needed`);
}

/** Refuses slots that have two things. */
function checkSlots(map: OverlayMap, journalSlots: readonly number[], label: string): void {
  const used = new Set(journalSlots);
  for (const slot of map.slots()) {
    if (used.has(slot)) throw damaged(label, `two things are in slot ${slot}`);
    used.add(slot);
  }
}

function damaged(label: string, what: string): DiskError {
  return new DiskError(
    "invalid",
    `${label} is damaged: ${what}. It is left as it is; take a copy of it from before.`,
  );
}
