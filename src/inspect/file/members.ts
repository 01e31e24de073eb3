import { MAXIMUM_BLOCK, RecordingError } from "./format.ts";

/** Of a member's header: the fixed 10 bytes, the length of the extra field, and our subfield in it (RFC 1952, 2.3.1.1). */
export const MEMBER_HEADER = 20;

const PLAIN_HEADER = 10;
const FEXTRA = 4;
const TRAILER = 8;

/** What begins every member of ours; the member's whole length, 32 bits, comes after it. */
const BEGINNING = Uint8Array.of(0x1f, 0x8b, 8, FEXTRA);
const SUBFIELD = Uint8Array.of(8, 0, "R".charCodeAt(0), "S".charCodeAt(0), 4, 0);

/** Packs bytes as a gzip member that says how long it is. */
export async function pack(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const plain = await through(new CompressionStream("gzip"), bytes, Number.MAX_SAFE_INTEGER);
  // Without a name, a comment or an extra field: so every implementation writes it, and only so there is room for ours.
  if (plain[3] !== 0) throw new Error("CompressionStream has written a gzip header with optional fields.");
  const member = new Uint8Array(plain.length + MEMBER_HEADER - PLAIN_HEADER);
  member.set(plain.subarray(0, PLAIN_HEADER));
  member[3] = FEXTRA;
  member.set(SUBFIELD, PLAIN_HEADER);
  new DataView(member.buffer).setUint32(MEMBER_HEADER - 4, member.length, true);
  member.set(plain.subarray(PLAIN_HEADER), MEMBER_HEADER);
  return member;
}

/** The length of the member whose header this is; undefined when it is none of ours, or longer than any. */
export function memberLength(header: Uint8Array): number | undefined {
  const ours =
    header.length === MEMBER_HEADER &&
    BEGINNING.every((byte, i) => header[i] === byte) &&
    SUBFIELD.every((byte, i) => header[PLAIN_HEADER + i] === byte);
  if (!ours) return undefined;
  const length = new DataView(header.buffer, header.byteOffset, MEMBER_HEADER).getUint32(
    MEMBER_HEADER - 4,
    true,
  );
  return length >= MEMBER_HEADER + TRAILER && length <= MAXIMUM_BLOCK ? length : undefined;
}

/** Unpacks a whole member; gzip's own checksum holds its bytes. Rejects with RecordingError: damaged, or more than a block. */
export async function unpack(member: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await through(new DecompressionStream("gzip"), member, MAXIMUM_BLOCK);
  } catch (cause) {
    if (cause instanceof RecordingError) throw cause;
    throw new RecordingError("a block cannot be unpacked", { cause });
  }
}

async function through(
  stream: CompressionStream | DecompressionStream,
  bytes: Uint8Array<ArrayBuffer>,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = stream.writable.getWriter();
  // What goes wrong is heard on the readable side.
  writer.write(bytes).catch(() => undefined);
  writer.close().catch(() => undefined);
  const reader = stream.readable.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    pieces.push(step.value);
    length += step.value.length;
    if (length > most) {
      reader.cancel().catch(() => undefined);
      throw new RecordingError(`a block is more than ${most} bytes`);
    }
  }
  return joined(pieces, length);
}

/** One array of several, `length` bytes together. */
export function joined(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
