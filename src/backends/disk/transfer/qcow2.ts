/**
 * A reader of qcow2 images (QEMU's docs/interop/qcow2.txt), versions 2 and 3: what is in the active layer, in the order of the
 * disk. What we do not read (backing files, encryption, external data, other compression than zlib) is refused with a sentence.
 *
 * The file is a stranger's: every number in it is checked where it is read, and none makes us hold more than a table's page
 * and a cluster.
 */
import { checkCapacity } from "../capacity.ts";
import { DiskError } from "../errors.ts";
import { inflateRaw } from "./inflate.ts";
import { type DiskSource, type Piece, type RandomBytes, isZero } from "./source.ts";

export const QCOW2_MAGIC = 0x514649fb;

/** Bytes of L1 table that QEMU itself takes at most. */
const MOST_L1 = 32 * 1024 * 1024;
/** Entries of an L1 table that are read at a time. */
const L1_PAGE = 8192;
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const ZERO = 1n;

/** Incompatible features, by bit. A dirty image has stale reference counts, which a reader does not need. */
const DIRTY = 1n << 0n;
const COMPRESSION_TYPE = 1n << 3n;
const REFUSED: readonly [bit: bigint, reason: string][] = [
  [1n << 1n, "it is marked as corrupt; qemu-img check -r all may repair it"],
  [1n << 2n, "its data is in another file; qemu-img convert makes one file of both"],
  [1n << 4n, "it has extended L2 entries; qemu-img convert -o extended_l2=off makes one without"],
];

interface Header {
  version: number;
  clusterBits: number;
  /** Of the disk, as the image says. */
  size: number;
  l1Entries: number;
  l1Offset: number;
}

/** Opens an image. Rejects with a DiskError "invalid" that says what is wrong with it. */
export async function readQcow2(file: RandomBytes): Promise<DiskSource> {
  const header = readHeader(await file.read(0, Math.min(file.size, 112)), file.size);
  // Its sectors need not be whole.
  const size = checkCapacity(Math.ceil(header.size / 512) * 512, "The disk in the qcow2 image");
  return { size, pieces: () => new Clusters(file, header).pieces() };
}

function readHeader(bytes: Uint8Array, fileSize: number): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 72 || view.getUint32(0) !== QCOW2_MAGIC) throw refused("its header is cut short");
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3)
    throw refused(`it has version ${version}; versions 2 and 3 can be read`);
  if (view.getBigUint64(8) !== 0n) {
    throw refused("it only has the changes to a backing file; qemu-img convert makes one file of both");
  }
  if (view.getUint32(32) !== 0) throw refused("it is encrypted; qemu-img convert can decrypt it");
  if (version === 3) checkFeatures(bytes, view);

  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw refused(`its clusters have 2^${clusterBits} bytes`);
  const size = Number(view.getBigUint64(24));
  const l1Entries = view.getUint32(36);
  const l1Offset = Number(view.getBigUint64(40));
  if (!Number.isSafeInteger(size) || size <= 0) throw refused("its disk has a size that cannot be");
  const needed = Math.ceil(size / 2 ** (2 * clusterBits - 3));
  if (l1Entries < needed) throw refused("its first table is too short for its disk");
  if (needed * 8 > MOST_L1) throw refused("its first table is larger than any that QEMU makes");
  if (l1Offset % 2 ** clusterBits !== 0 || l1Offset + needed * 8 > fileSize)
    throw refused("it is cut short or damaged: its first table is not in the file");
  return { version, clusterBits, size, l1Entries: needed, l1Offset };
}

/** Of version 3. */
function checkFeatures(bytes: Uint8Array, view: DataView): void {
  if (bytes.length < 104) throw refused("its header is cut short");
  const features = view.getBigUint64(72);
  for (const [bit, reason] of REFUSED) if (features & bit) throw refused(reason);
  const known = REFUSED.reduce((sum, [bit]) => sum | bit, DIRTY | COMPRESSION_TYPE);
  if (features & ~known) throw refused("it uses features that are not known here");
  if (!(features & COMPRESSION_TYPE)) return;
  const headerLength = view.getUint32(100);
  if (headerLength < 105 || bytes.length < 105) throw refused("its header is cut short");
  if (bytes[104] !== 0)
    throw refused(
      "it is compressed with zstd; qemu-img convert -o compression_type=zlib makes one that is not",
    );
}

class Clusters {
  readonly #file: RandomBytes;
  readonly #header: Header;
  readonly #cluster: number;
  /** Entries of an L2 table. */
  readonly #entries: number;

  constructor(file: RandomBytes, header: Header) {
    this.#file = file;
    this.#header = header;
    this.#cluster = 2 ** header.clusterBits;
    this.#entries = this.#cluster / 8;
  }

  async *pieces(): AsyncGenerator<Piece> {
    const { l1Entries, l1Offset, size } = this.#header;
    for (let page = 0; page < l1Entries; page += L1_PAGE) {
      const count = Math.min(L1_PAGE, l1Entries - page);
      const table = await this.#read(l1Offset + page * 8, count * 8, "its first table");
      for (let index = 0; index < count; index++) {
        const l2 = Number(entry(table, index) & OFFSET_MASK);
        if (l2 !== 0) yield* this.#table(l2, (page + index) * this.#entries * this.#cluster, size);
      }
    }
  }

  /** The clusters of the L2 table at `place`, which begin at `from` of the disk. */
  async *#table(place: number, from: number, size: number): AsyncGenerator<Piece> {
    if (place % this.#cluster !== 0) throw refused("it is damaged: a table is not where one can be");
    const table = await this.#read(place, this.#cluster, "a table");
    for (let index = 0; index < this.#entries; index++) {
      const offset = from + index * this.#cluster;
      if (offset >= size) return;
      const descriptor = entry(table, index);
      if (descriptor === 0n) continue;
      const data = await this.#data(descriptor);
      if (data && !isZero(data))
        yield { offset, data: data.subarray(0, Math.min(data.length, size - offset)) };
    }
  }

  /** A cluster's bytes; undefined when it reads as zeros. */
  #data(descriptor: bigint): Promise<Uint8Array> | undefined {
    if (descriptor & COMPRESSED) return this.#inflate(descriptor);
    if (this.#header.version === 3 && descriptor & ZERO) return undefined;
    const place = Number(descriptor & OFFSET_MASK);
    if (place === 0) return undefined;
    if (place % this.#cluster !== 0) throw refused("it is damaged: a cluster is not where one can be");
    return this.#read(place, this.#cluster, "a cluster", true);
  }

  async #inflate(descriptor: bigint): Promise<Uint8Array> {
    // The offset and the number of sectors share 62 bits; where they part depends on the size of a cluster.
    const bits = BigInt(62 - (this.#header.clusterBits - 8));
    const place = Number(descriptor & ((1n << bits) - 1n));
    const sectors = Number((descriptor & (COMPRESSED - 1n)) >> bits) + 1;
    const end = Math.min(place - (place % 512) + sectors * 512, this.#file.size);
    if (place >= end) throw refused("it is cut short: a compressed cluster is not in the file");
    const stored = await this.#file.read(place, end - place);
    const data = await inflateRaw(stored, this.#cluster);
    if (!data) throw refused("it is damaged: a compressed cluster cannot be unpacked");
    return data;
  }

  /** @param short whether the file may end within the range: its last cluster need not be whole. The rest is zeros. */
  async #read(offset: number, length: number, what: string, short = false): Promise<Uint8Array> {
    const there = Math.min(length, this.#file.size - offset);
    if (there <= 0 || (there < length && !short))
      throw refused(`it is cut short: ${what} is not in the file`);
    const bytes = await this.#file.read(offset, there);
    if (there === length) return bytes;
    const whole = new Uint8Array(length);
    whole.set(bytes);
    return whole;
  }
}

function entry(table: Uint8Array, index: number): bigint {
  return new DataView(table.buffer, table.byteOffset, table.length).getBigUint64(index * 8);
}

function refused(reason: string): DiskError {
  return new DiskError("invalid", `The qcow2 image cannot be read: ${reason}.`);
}
