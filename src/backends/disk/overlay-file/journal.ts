import { randomBytes } from "node:crypto";
import {
  DIGEST,
  ENTRY,
  PAGE,
  type Part,
  decodePart,
  encodePart,
  entriesIn,
  isSlot,
  partBytes,
} from "./format.ts";
import type { OverlayIo } from "./io.ts";

/** A place in a journal where the next commit goes. */
export interface Position {
  readonly slot: number;
  /** Bytes into the slot. */
  readonly offset: number;
  /** The slot after this one; 0 at the beginning of a slot, where it is not chosen yet. */
  readonly next: number;
  /** Digest of the part before. */
  readonly previous: Uint8Array;
  /** Number of the next commit. */
  readonly commit: number;
}

/** What one commit changes. */
export interface Commit {
  /** Size of the disk in bytes. */
  capacity: number;
  /** Four words each: chunk, slot, digest. */
  entries: Uint32Array;
}

/** A commit as it is to be written. */
export interface Written {
  pieces: { bytes: Uint8Array; position: number }[];
  /** Slots that became the journal's. */
  slots: number[];
  /** Where the commit after it goes. */
  end: Position;
}

export function newSeed(): Uint8Array {
  return randomBytes(16);
}

/** Where the first commit of a journal goes. */
export function beginning(slot: number): Position {
  return { slot, offset: 0, next: 0, previous: new Uint8Array(DIGEST), commit: 0 };
}

/**
 * Lays out a commit from `position` on. Writes nothing.
 *
 * @param take gives a free slot
 */
export function layOut(
  commit: Commit,
  position: Position,
  { seed, chunkSize, take }: { seed: Uint8Array; chunkSize: number; take: () => number },
): Written {
  const { capacity, entries } = commit;
  const written: Written = { pieces: [], slots: [], end: position };
  for (let done = 0, last = false; !last;) {
    let { slot, offset, next, previous } = written.end;
    if (next === 0) written.slots.push((next = take()));
    const count = Math.min(entriesIn(chunkSize - offset), (entries.length - done) / ENTRY);
    const some = entries.subarray(done, done + count * ENTRY);
    done += some.length;
    last = done === entries.length;
    const part = encodePart({ previous, commit: position.commit, last, next, capacity, entries: some }, seed);
    written.pieces.push({ bytes: part.bytes, position: slot * chunkSize + offset });
    offset += part.bytes.length;
    previous = part.digest;
    if (offset === chunkSize) [slot, offset, next] = [next, 0, 0];
    written.end = { slot, offset, next, previous, commit: position.commit + (last ? 1 : 0) };
  }
  return written;
}

/** What a replay found. */
export interface Replay {
  /** Where the journal ends. */
  end: Position;
  /** Slots of the journal, those at its end that have nothing yet among them. */
  slots: number[];
  /** Whether something behind the end was begun after all before it was durable. */
  proven: boolean;
  /** Whether there is a later commit behind the end: something before it is damaged. */
  damaged: boolean;
}

/**
 * Reads the journal from slot `first` on, and hands each whole commit to `apply`, with where it begins and the slots of the
 * journal up to there.
 */
export function replay(
  io: OverlayIo,
  first: number,
  { seed, chunkSize }: { seed: Uint8Array; chunkSize: number },
  apply: (commit: Commit, begin: Position, slots: readonly number[]) => void,
): Replay {
  const reader = new PartReader(io, seed, chunkSize);
  let end = beginning(first);
  let slots = [first];
  let at = end;
  const visited = [...slots];
  let parts: Part[] = [];
  for (;;) {
    const part = reader.at(at.slot, at.offset);
    if (!part || !follows(part, at) || (at.next !== 0 && part.next !== at.next)) break;
    if (at.next === 0) {
      if (!isSlot(part.next) || visited.includes(part.next)) break;
      visited.push(part.next);
    }
    parts.push(part);
    const offset = at.offset + partBytes(part.entries.length / ENTRY);
    const place =
      offset === chunkSize
        ? { slot: part.next, offset: 0, next: 0 }
        : { slot: at.slot, offset, next: part.next };
    at = { ...place, previous: part.digest, commit: at.commit + (part.last ? 1 : 0) };
    if (!part.last) continue;
    apply({ capacity: part.capacity, entries: joined(parts) }, end, slots);
    parts = [];
    end = at;
    slots = [...visited];
  }
  return { end, slots, proven: parts.length > 0, damaged: laterCommit(reader, at, chunkSize) };
}

function follows(part: Part, at: Position): boolean {
  return part.commit === at.commit && Buffer.compare(part.previous, at.previous) === 0;
}

/** Looks for parts of a later commit in the rest of the slot where the journal ends, and in the next one. */
function laterCommit(reader: PartReader, end: Position, chunkSize: number): boolean {
  const from = { slot: end.slot, offset: end.offset };
  const places = end.next === 0 ? [from] : [from, { slot: end.next, offset: 0 }];
  for (const { slot, offset } of places) {
    for (let at = offset; at < chunkSize; at += PAGE) {
      const part = reader.at(slot, at);
      if (part && part.commit > end.commit) return true;
    }
  }
  return false;
}

function joined(parts: readonly Part[]): Uint32Array {
  if (parts.length === 1) return parts[0]!.entries;
  const all = new Uint32Array(parts.reduce((sum, { entries }) => sum + entries.length, 0));
  let at = 0;
  for (const { entries } of parts) {
    all.set(entries, at);
    at += entries.length;
  }
  return all;
}

/** Reads parts, a slot at a time. */
class PartReader {
  readonly #io: OverlayIo;
  readonly #seed: Uint8Array;
  readonly #slot: Uint8Array;
  #number = 0;
  #length = 0;

  constructor(io: OverlayIo, seed: Uint8Array, chunkSize: number) {
    this.#io = io;
    this.#seed = seed;
    this.#slot = new Uint8Array(chunkSize);
  }

  at(slot: number, offset: number): (Part & { digest: Uint8Array }) | undefined {
    if (slot !== this.#number) {
      this.#length = this.#io.read(this.#slot, slot * this.#slot.length);
      this.#number = slot;
    }
    return decodePart(this.#slot.subarray(offset, this.#length), this.#seed);
  }
}
