/**
 * The format of an overlay file: what was written to a disk over a base. Version 1.
 *
 * **Layout.** The file is made of slots of `chunkSize` bytes (16 KiB), numbered from 0. Slot 0 has two copies of the superblock,
 * in its first two pages of 4096 bytes. Every other slot holds one chunk of the disk, or a piece of the journal, or nothing that
 * matters. Numbers are little-endian.
 *
 *     superblock    0  "ringside-overlay"
 *                  16  u32 version of the format
 *                  20  u32 length of the text
 *                  24  SHA-256 of the text
 *                  56  the text, JSON: see Superblock
 *
 * The journal is a chain of parts, each of which begins a page of 4096 bytes and ends within its slot. The first part is at the
 * beginning of the slot that the superblock names. A part is followed by the next one on the next page of the slot, and at the
 * end of the slot by one at the beginning of the slot `next`.
 *
 *     part          0  digest: the first 16 bytes of SHA-256(seed, all of the part behind this field)
 *                  16  the digest of the part before; 0 in the first
 *                  32  u32 number of the commit, counted from 0 in each journal
 *                  36  u32 1 in the last part of a commit, else 0
 *                  40  u32 number of entries
 *                  44  u32 next: the slot where the journal goes on after this one
 *                  48  f64 size of the disk in bytes
 *                  56  8 bytes of 0
 *                  64  entries
 *
 *     entry         0  u32 number of a chunk
 *                   4  u32 the slot that it is in from now on; 0: it is a hole (zeros that cover the base); 0xffffffff: it is the
 *                      base's again, which has zeros there
 *                   8  the first 8 bytes of the SHA-256 of its bytes, else 0
 *
 * The seed is random and unknown to the guest, so no bytes that it writes to the disk look like a part. The first commit of a
 * journal is a snapshot, the whole map; the others are what changed.
 *
 * **Commits.** A chunk is never overwritten: it goes into a free slot, then comes a commit that says so, then one fdatasync for
 * both. When that has returned, the slot in which the chunk was before is free, and not earlier. A commit counts when all its
 * parts are whole and linked and, of the last commit of the journal, if all the chunks that it names have the digests that it
 * gives: the order in which an fdatasync writes is unknown. That an earlier one was durable is certain, for the next is only
 * begun after its fdatasync. Pages with something durable on them are never written again.
 *
 * **Compaction.** When the journal is much longer than a snapshot would be, a commit is written as the snapshot of a new
 * journal, with a new seed, in other slots: fdatasync, then one copy of the superblock with the next generation, fdatasync. The
 * slots of the old journal are free after that. The other copy is then made the same, so that damage to one copy is no loss.
 *
 * **Opening** takes the valid superblock of the highest generation, replays the journal up to the first page that continues it
 * no more, and makes that durable before anything is written. Behind the end there must be no part of a later commit, and the
 * file must have all slots that durable commits name, `next` too: else it is damaged or cut short, and is refused rather than
 * shown in an older state. A file is made under another name and renamed, so there
 * is none without a superblock. A disk that is closed in order ends with a commit without entries, so that the last one that
 * matters is not the last.
 *
 * **Migration.** Version 1 is the first. A reader refuses versions that it does not know. A later version that only adds to the
 * text of the superblock opens version 1 and notes its own at the next compaction; one that changes the journal opens the old,
 * and writes the new at once by a compaction, which leaves the old file untouched until it is complete.
 */
import { hash } from "node:crypto";
import { DiskError } from "../errors.ts";
import { type BaseRecord, isBaseRecord } from "../overlay-base.ts";

export const VERSION = 1;

/** Bytes in a page of the journal: no sector or page cache's page has two of them. */
export const PAGE = 4096;

/** Bytes in a chunk of a new file: a compromise of what a small write costs and of what the map costs. */
export const CHUNK_SIZE = 16 * 1024;

/** Slots of an entry without bytes. */
export const HOLE = 0;
export const NOWHERE = 0xffffffff;

/** 32-bit words in an entry: chunk, slot, and two of the digest. */
export const ENTRY = 4;

const MAGIC = Buffer.from("ringside-overlay", "latin1");
const TEXT = 56;
const HEADER = 64;
const ENTRY_BYTES = 4 * ENTRY;

export interface Superblock {
  /** Bytes, a power of two. */
  chunkSize: number;
  /** Counts the journals that the file has had. */
  generation: number;
  /** The slot where the journal begins. */
  journal: number;
  /** Of the journal: 16 bytes, hexadecimal. */
  seed: string;
  /** Date and time, ISO 8601. */
  created: string;
  base: BaseRecord;
}

/** One copy of the superblock, for one of the first two pages. Throws a DiskError "invalid" when the base's description is too long. */
export function encodeSuperblock(superblock: Superblock): Uint8Array {
  const text = Buffer.from(JSON.stringify(superblock));
  if (TEXT + text.length > PAGE) {
    throw new DiskError("invalid", "The name of the base is too long for a disk file.");
  }
  const bytes = Buffer.alloc(TEXT + text.length);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, 16);
  bytes.writeUInt32LE(text.length, 20);
  hash("sha256", text, "buffer").copy(bytes, 24);
  text.copy(bytes, TEXT);
  return bytes;
}

/** Reads a copy at the beginning of `bytes`: the superblock, or "newer", or undefined for what is none or is damaged. */
export function decodeSuperblock(bytes: Uint8Array): Superblock | "newer" | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length < TEXT || !view.subarray(0, 16).equals(MAGIC)) return undefined;
  const length = view.readUInt32LE(20);
  if (TEXT + length > view.length) return undefined;
  const text = view.subarray(TEXT, TEXT + length);
  if (!hash("sha256", text, "buffer").equals(view.subarray(24, TEXT))) return undefined;
  if (view.readUInt32LE(16) !== VERSION) return "newer";
  const value = parse(text.toString());
  return isSuperblock(value) ? value : undefined;
}

/** The largest disk that the format can describe, in bytes. */
export function largestCapacity(chunkSize: number): number {
  return 2 ** 32 * chunkSize;
}

/** Whether the bytes begin as a superblock does, be the rest as it may. */
export function looksLikeOverlay(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(0, 16));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isSuperblock(value: unknown): value is Superblock {
  const { chunkSize, generation, journal, seed, created, base } = (value ?? {}) as Partial<Superblock>;
  return (
    typeof chunkSize === "number" &&
    chunkSize >= 2 * PAGE &&
    chunkSize <= 2 ** 20 &&
    Number.isInteger(Math.log2(chunkSize)) &&
    Number.isSafeInteger(generation) &&
    isSlot(journal) &&
    typeof seed === "string" &&
    /^[0-9a-f]{32}$/.test(seed) &&
    typeof created === "string" &&
    isBaseRecord(base)
  );
}

/** Whether a number can be that of a slot behind the superblocks. */
export function isSlot(slot: unknown): slot is number {
  return Number.isInteger(slot) && (slot as number) > HOLE && (slot as number) < NOWHERE;
}

/** A part of a commit in the journal. */
export interface Part {
  previous: Uint8Array;
  commit: number;
  last: boolean;
  next: number;
  /** The disk's size in bytes. */
  capacity: number;
  /** Four words each: chunk, slot, digest. */
  entries: Uint32Array;
}

/** Bytes of a digest of a part. */
export const DIGEST = 16;

/** Entries for which there is room in a part of `bytes`. */
export function entriesIn(bytes: number): number {
  return Math.floor((bytes - HEADER) / ENTRY_BYTES);
}

/** Bytes of whole pages that a part with so many entries takes. */
export function partBytes(entries: number): number {
  return Math.ceil((HEADER + entries * ENTRY_BYTES) / PAGE) * PAGE;
}

/** The part in whole pages, and its digest. */
export function encodePart(part: Part, seed: Uint8Array): { bytes: Uint8Array; digest: Uint8Array } {
  const count = part.entries.length / ENTRY;
  const bytes = Buffer.alloc(partBytes(count));
  bytes.set(part.previous, DIGEST);
  bytes.writeUInt32LE(part.commit, 32);
  bytes.writeUInt32LE(part.last ? 1 : 0, 36);
  bytes.writeUInt32LE(count, 40);
  bytes.writeUInt32LE(part.next, 44);
  bytes.writeDoubleLE(part.capacity, 48);
  for (const [index, word] of part.entries.entries()) bytes.writeUInt32LE(word, HEADER + index * 4);
  const digest = partDigest(bytes, count, seed);
  bytes.set(digest);
  return { bytes, digest };
}

/** Reads the part at the beginning of `bytes`, which end with its slot: undefined when there is none of this journal. */
export function decodePart(bytes: Uint8Array, seed: Uint8Array): (Part & { digest: Uint8Array }) | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length < HEADER) return undefined;
  const count = view.readUInt32LE(40);
  if (count > entriesIn(view.length)) return undefined;
  const digest = partDigest(view, count, seed);
  if (!view.subarray(0, DIGEST).equals(digest)) return undefined;
  const entries = new Uint32Array(count * ENTRY);
  for (let index = 0; index < entries.length; index++) entries[index] = view.readUInt32LE(HEADER + index * 4);
  return {
    digest,
    previous: Uint8Array.from(view.subarray(DIGEST, 2 * DIGEST)),
    commit: view.readUInt32LE(32),
    last: view.readUInt32LE(36) === 1,
    next: view.readUInt32LE(44),
    capacity: view.readDoubleLE(48),
    entries,
  };
}

function partDigest(bytes: Buffer, count: number, seed: Uint8Array): Buffer {
  const keyed = Buffer.concat([seed, bytes.subarray(DIGEST, HEADER + count * ENTRY_BYTES)]);
  return hash("sha256", keyed, "buffer").subarray(0, DIGEST);
}

/** Writes the digest of a chunk as two words to `target` at `at`. */
export function chunkDigest(data: Uint8Array, target: Uint32Array, at: number): void {
  const digest = hash("sha256", data, "buffer");
  target[at] = digest.readUInt32LE(0);
  target[at + 1] = digest.readUInt32LE(4);
}
