import type { GuestImage } from "./image.ts";
import type { V86Memory } from "./memory.ts";
import { BOOT_PARAMETERS, startUpCode } from "./rom.ts";

/** The guest image cannot be booted; the message is for the person. */
export class ImageError extends Error {
  override name = "ImageError";
}

type LoadMemory = Pick<V86Memory, "size" | "load">;

const COMMAND_LINE = 0x8000;
/** COMMAND_LINE_SIZE of x86 Linux, with the final NUL. */
const COMMAND_LINE_BYTES = 2048;
/** The kernel maps no more than this at first: initrd_addr_max of the 32-bit kernels. */
const INITRD_TOP = 0x37fff000;
const PAGE = 4096;

/** What firmware would have reserved: the end of low memory, our tables (ACPI), ROM and SMBIOS. */
const RAM = 1;
const RESERVED = 2;
const ACPI = 3;

export const ACPI_TABLES = { start: 0xe0000, end: 0xf0000 };

/**
 * Puts kernel, initramfs, command line and boot parameters into memory, and start-up code under the reset vector, as
 * the 32-bit boot protocol wants them (Linux, Documentation/arch/x86/boot.rst).
 *
 * @throws ImageError when the kernel is no 32-bit x86 ELF file, is cut short, or does not fit.
 */
export function loadGuest(memory: LoadMemory, image: GuestImage, commandLine: string, rsdp: number): void {
  const { entry, end } = loadElf(memory, image.kernel);
  const initrd = placeInitrd(memory, image.initrd, end);
  const text = new TextEncoder().encode(`${commandLine}\0`);
  if (text.length > COMMAND_LINE_BYTES) {
    throw new ImageError(
      `The kernel's command line has ${text.length - 1} bytes; at most ${COMMAND_LINE_BYTES - 1} fit.`,
    );
  }
  memory.load(COMMAND_LINE, text);
  memory.load(BOOT_PARAMETERS, bootParameters(memory.size, initrd, image.initrd.length, rsdp));
  memory.load(0xf8000, startUpCode(entry).code);
  memory.load(0xffff0, startUpCode(entry).resetVector);
}

/** Copies the segments of an ELF32 kernel to their physical addresses. */
function loadElf(memory: LoadMemory, elf: Uint8Array): { entry: number; end: number } {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  const x86 =
    elf.length >= 52 && view.getUint32(0) === 0x7f454c46 && elf[4] === 1 && view.getUint16(18, true) === 3;
  if (!x86) throw new ImageError("The kernel is not an ELF file for 32-bit x86.");
  const headers = view.getUint32(28, true);
  const headerBytes = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  const entry = view.getUint32(24, true);
  let end = 0;
  let entryLoaded = false;
  for (let i = 0; i < count; i++) {
    const at = headers + i * headerBytes;
    if (at + 32 > elf.length)
      throw new ImageError("The kernel is cut short: its program headers are missing.");
    if (view.getUint32(at, true) !== 1) continue; // PT_LOAD
    const offset = view.getUint32(at + 4, true);
    const address = view.getUint32(at + 12, true);
    const inFile = view.getUint32(at + 16, true);
    const inMemory = view.getUint32(at + 20, true);
    if (offset + inFile > elf.length || inFile > inMemory) {
      throw new ImageError(
        `The kernel is cut short: it ends at byte ${elf.length}, a segment at ${offset + inFile}.`,
      );
    }
    if (address < 0x100000) throw new ImageError(`The kernel wants to be loaded at ${address}, below 1 MiB.`);
    if (address + inMemory > memory.size) throw tooSmall(address + inMemory, memory.size);
    memory.load(address, elf.subarray(offset, offset + inFile));
    end = Math.max(end, address + inMemory);
    entryLoaded ||= entry >= address && entry < address + inFile;
  }
  if (end === 0) throw new ImageError("The kernel has nothing to load.");
  if (!entryLoaded)
    throw new ImageError(`The kernel starts at 0x${entry.toString(16)}, where nothing of it is loaded.`);
  return { entry, end };
}

/** As high as the kernel can reach, so that it does not stand in the way. */
function placeInitrd(memory: LoadMemory, initrd: Uint8Array, kernelEnd: number): number {
  const top = Math.min(memory.size, INITRD_TOP);
  const start = Math.floor((top - initrd.length) / PAGE) * PAGE;
  if (start < kernelEnd) throw tooSmall(kernelEnd + initrd.length, memory.size);
  memory.load(start, initrd);
  return start;
}

function tooSmall(needed: number, have: number): ImageError {
  const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
  return new ImageError(
    `The guest needs more than ${mib(needed)} MiB of memory; the machine has ${mib(have)} MiB.`,
  );
}

/** struct boot_params, the "zero page" (Documentation/arch/x86/zero-page.rst). */
function bootParameters(memorySize: number, initrd: number, initrdBytes: number, rsdp: number): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x070, rsdp, true); // acpi_rsdp_addr
  view.setUint16(0x1fe, 0xaa55, true); // boot_flag
  view.setUint32(0x202, 0x53726448, true); // "HdrS"
  view.setUint16(0x206, 0x020f, true); // protocol 2.15
  bytes[0x210] = 0xff; // type_of_loader: one without a number
  bytes[0x211] = 1; // loadflags: LOADED_HIGH
  view.setUint32(0x218, initrd, true);
  view.setUint32(0x21c, initrdBytes, true);
  view.setUint32(0x228, COMMAND_LINE, true);
  view.setUint32(0x22c, INITRD_TOP - 1, true);
  view.setUint32(0x230, 0x1000000, true); // kernel_alignment
  view.setUint32(0x238, COMMAND_LINE_BYTES - 1, true);
  const map: [start: number, end: number, type: number][] = [
    [0, 0x9fc00, RAM],
    [0x9fc00, 0xa0000, RESERVED],
    [ACPI_TABLES.start, ACPI_TABLES.end, ACPI],
    [0xf0000, 0x100000, RESERVED],
    [0x100000, memorySize, RAM],
  ];
  bytes[0x1e8] = map.length;
  map.forEach(([start, end, type], i) => {
    const at = 0x2d0 + 20 * i;
    view.setUint32(at, start, true);
    view.setUint32(at + 8, end - start, true);
    view.setUint32(at + 16, type, true);
  });
  return bytes;
}
