/**
 * Takes the kernel's ELF file out of a bzImage (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
 * Ringside boots the ELF directly, so the guest's CPU need not decompress it.
 */
import { ImageBuildError } from "../errors.ts";

/** Decompresses one whole XZ stream; rejects if it is damaged. */
export type Unxz = (stream: Uint8Array) => Promise<Uint8Array>;

/** Offsets into the file; all little-endian. */
const SETUP_SECTS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const HEADER_MAGIC = 0x202;
const PROTOCOL_VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const HEADER_END = 0x250;

const XZ_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

/** The `vmlinux` inside a bzImage, checked to be a whole ELF file for i386. Throws an ImageBuildError if it is not. */
export async function extractVmlinux(bzImage: Uint8Array, unxz: Unxz): Promise<Uint8Array> {
  const payload = findPayload(bzImage);
  let vmlinux: Uint8Array;
  try {
    vmlinux = await unxz(payload.stream);
  } catch (error) {
    throw new ImageBuildError("The kernel's compressed part is damaged.", { cause: error });
  }
  if (vmlinux.length !== payload.size) {
    throw new ImageBuildError(
      `The kernel should decompress to ${payload.size} bytes, but gave ${vmlinux.length}: the file is damaged.`,
    );
  }
  checkElf(vmlinux);
  return vmlinux;
}

/** The XZ stream, and the size that it decompresses to (kept in the 4 bytes after the stream). */
export function findPayload(bzImage: Uint8Array): { stream: Uint8Array; size: number } {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (
    bzImage.length < HEADER_END ||
    view.getUint16(BOOT_FLAG, true) !== 0xaa55 ||
    view.getUint32(HEADER_MAGIC, true) !== 0x53726448 // "HdrS"
  ) {
    throw new ImageBuildError("The kernel file is no bzImage: it has no setup header.");
  }
  const version = view.getUint16(PROTOCOL_VERSION, true);
  if (version < 0x208) {
    throw new ImageBuildError(
      `The kernel file speaks boot protocol ${version >> 8}.${version & 0xff}; where its payload is can be read from 2.8 on.`,
    );
  }
  // 0 means 4, for kernels of the time before the field.
  const setupSectors = view.getUint8(SETUP_SECTS) || 4;
  const start = (setupSectors + 1) * 512 + view.getUint32(PAYLOAD_OFFSET, true);
  const end = start + view.getUint32(PAYLOAD_LENGTH, true);
  if (end > bzImage.length || end - start < XZ_MAGIC.length + 4) {
    throw new ImageBuildError(
      `The kernel file is cut short: its payload ends at byte ${end}, the file at ${bzImage.length}.`,
    );
  }
  if (!XZ_MAGIC.every((byte, index) => bzImage[start + index] === byte)) {
    throw new ImageBuildError("The kernel's payload is not compressed with XZ, the only format known here.");
  }
  return { stream: bzImage.subarray(start, end - 4), size: view.getUint32(end - 4, true) };
}

/** Refuses what is no 32-bit x86 ELF executable, or lacks bytes that its program headers load. */
export function checkElf(elf: Uint8Array): void {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.length < 52 || view.getUint32(0, false) !== 0x7f454c46) {
    throw new ImageBuildError("The kernel inside the bzImage is no ELF file.");
  }
  const [elfClass, byteOrder, machine] = [view.getUint8(4), view.getUint8(5), view.getUint16(18, true)];
  if (elfClass !== 1 || byteOrder !== 1 || machine !== 3) {
    throw new ImageBuildError("The kernel inside the bzImage is not for i386 (32-bit, little-endian).");
  }
  const [headers, entrySize, count] = [
    view.getUint32(28, true),
    view.getUint16(42, true),
    view.getUint16(44, true),
  ];
  if (count === 0 || entrySize < 32 || headers + entrySize * count > elf.length) {
    throw new ImageBuildError("The kernel inside the bzImage has no readable program headers.");
  }
  for (let at = headers; at < headers + entrySize * count; at += entrySize) {
    if (view.getUint32(at + 4, true) + view.getUint32(at + 16, true) > elf.length) {
      throw new ImageBuildError("The kernel inside the bzImage is cut short.");
    }
  }
}
