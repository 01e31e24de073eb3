/** A file from outside as a disk: raw, gzip of raw, or qcow2, told by how it begins. */
import { DiskError, asError } from "../errors.ts";
import { QCOW2_MAGIC, readQcow2 } from "./qcow2.ts";
import { type DiskSource, type Piece, blobBytes } from "./source.ts";

export type FileFormat = "raw" | "gzip" | "qcow2";

export interface ImportFile extends DiskSource {
  readonly format: FileFormat;
  /** How much of the file was read, from 0 to 1. */
  readonly progress: number;
}

const GZIP = [0x1f, 0x8b];
const QCOW2 = [0x51, 0x46, 0x49, 0xfb];

/** What else people have, by its first bytes: taken for a raw disk it would be of no use to anybody. */
const OTHERS: readonly [begin: readonly number[], name: string, advice: string][] = [
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "an xz file", "Unpack it first (unxz)."],
  [[0x28, 0xb5, 0x2f, 0xfd], "a zstd file", "Unpack it first (unzstd)."],
  [[0x42, 0x5a, 0x68], "a bzip2 file", "Unpack it first (bunzip2)."],
  [[0x50, 0x4b, 0x03, 0x04], "a ZIP archive", "Unpack it first."],
  [[0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "a 7z archive", "Unpack it first."],
  [[...ascii("KDMV")], "a VMDK image", "qemu-img convert -O qcow2 makes an image that can be imported."],
  [[...ascii("vhdxfile")], "a VHDX image", "qemu-img convert -O qcow2 makes an image that can be imported."],
  [[...ascii("conectix")], "a VHD image", "qemu-img convert -O qcow2 makes an image that can be imported."],
  [[...ascii("<<< ")], "a VDI image", "qemu-img convert -O qcow2 makes an image that can be imported."],
];

/** Looks what the file is. Rejects with a DiskError "invalid" for what cannot be imported, "io" when it cannot be read. */
export async function openImport(file: Blob): Promise<ImportFile> {
  if (file.size === 0) throw new DiskError("invalid", "The file is empty.");
  const head = new Uint8Array(await readable(file.slice(0, 512).arrayBuffer()));
  if (begins(head, QCOW2)) return fromQcow2(file);
  if (begins(head, GZIP)) return fromStream(file, "gzip");
  for (const [begin, name, advice] of OTHERS) {
    if (begins(head, begin)) throw new DiskError("invalid", `The file is ${name}. ${advice}`);
  }
  return fromStream(file, "raw");
}

async function fromQcow2(file: Blob): Promise<ImportFile> {
  const bytes = blobBytes(file);
  const source = await readQcow2({ ...bytes, read: (...range) => readable(bytes.read(...range)) });
  let at = 0;
  return {
    format: "qcow2",
    size: source.size,
    get progress() {
      return at / source.size!;
    },
    async *pieces() {
      for await (const piece of source.pieces()) {
        at = piece.offset;
        yield piece;
      }
    },
  };
}

function fromStream(file: Blob, format: "raw" | "gzip"): ImportFile {
  let read = 0;
  return {
    format,
    size: format === "raw" ? Math.ceil(file.size / 512) * 512 : undefined,
    get progress() {
      return read / file.size;
    },
    async *pieces() {
      const stored = file.stream().pipeThrough(
        new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
          transform(part, controller) {
            read += part.length;
            controller.enqueue(part);
          },
        }),
      );
      if (format === "raw") yield* inOrder(stored);
      else yield* checked(inOrder(stored.pipeThrough(new DecompressionStream("gzip"))));
    },
  };
}

/** A stream's parts, each at its place. */
async function* inOrder(stream: ReadableStream<Uint8Array>): AsyncGenerator<Piece> {
  const reader = stream.getReader();
  try {
    for (let offset = 0; ;) {
      const { value } = await readable(reader.read());
      if (!value) return;
      yield { offset, data: value };
      offset += value.length;
    }
  } finally {
    // Also when nobody wants the rest.
    reader.cancel().catch(() => undefined);
  }
}

async function* checked(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  for await (const piece of pieces) {
    const { data } = piece;
    if (piece.offset === 0 && data.length >= 4) {
      const magic = new DataView(data.buffer, data.byteOffset, data.length).getUint32(0);
      if (magic === QCOW2_MAGIC) {
        throw new DiskError("invalid", "The gzip file has a qcow2 image in it. Unpack it first (gunzip).");
      }
    }
    yield piece;
  }
}

/** What a file or a decompression fails with, as a DiskError. */
async function readable<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (cause) {
    const error = asError(cause);
    if (error instanceof DiskError) throw error;
    // What the file fails with is a DOMException; the rest is a DecompressionStream's.
    if (!(error instanceof DOMException)) {
      throw new DiskError("invalid", "The gzip file is damaged or cut short.", { cause });
    }
    throw new DiskError(
      "io",
      `The file cannot be read (${error.name}): it may have been changed or taken away.`,
      { cause },
    );
  }
}

function begins(head: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => head[index] === byte);
}

function ascii(text: string): number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}
