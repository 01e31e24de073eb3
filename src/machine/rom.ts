/** Where boot_params lies; ESI points to it when the kernel starts. */
export const BOOT_PARAMETERS = 0x7000;

/** The kernel's boot protocol wants flat segments behind these selectors. */
const CODE_SELECTOR = 0x10;
const DATA_SELECTOR = 0x18;

/** The code lies at F000:8000, physical 0xF8000; the descriptor table right behind it. */
const SEGMENT = 0xf0000;
const START = 0x8000;
const PROTECTED = START + 0x20;
const GDT = START + 0x60;

/**
 * All the firmware there is: from the reset vector in real mode to the kernel's 32-bit entry point, with paging and
 * interrupts off (Documentation/arch/x86/boot.rst, "32-bit boot protocol"). `code` belongs at 0xF8000 and `resetVector`
 * at 0xFFFF0.
 */
export function startUpCode(entry: number): { code: Uint8Array; resetVector: Uint8Array } {
  const code = new Uint8Array(0x90);
  code.set(realMode());
  code.set(protectedMode(entry), PROTECTED - START);
  code.set(descriptorTable(), GDT - START);
  const resetVector = Uint8Array.of(0xea, ...le16(START), ...le16(SEGMENT >>> 4)); // jmp far F000:8000
  return { code, resetVector };
}

function realMode(): Uint8Array {
  const pointer = GDT + 4 * 8;
  return Uint8Array.from(
    [
      [0xfa], //                                             cli
      [0x2e, 0x66, 0x0f, 0x01, 0x16, ...le16(pointer)], //   lgdt cs:[pointer]
      [0x0f, 0x20, 0xc0], //                                 mov eax, cr0
      [0x0c, 0x01], //                                       or al, 1
      [0x0f, 0x22, 0xc0], //                                 mov cr0, eax
      [0x66, 0xea, ...le32(SEGMENT + PROTECTED), ...le16(CODE_SELECTOR)], // jmp far
    ].flat(),
  );
}

function protectedMode(entry: number): Uint8Array {
  return Uint8Array.from(
    [
      [0x66, 0xb8, ...le16(DATA_SELECTOR)], //  mov ax, data
      [0x8e, 0xd8], //                          mov ds, ax
      [0x8e, 0xc0], //                          mov es, ax
      [0x8e, 0xe0], //                          mov fs, ax
      [0x8e, 0xe8], //                          mov gs, ax
      [0x8e, 0xd0], //                          mov ss, ax
      [0xbc, ...le32(BOOT_PARAMETERS)], //      mov esp, below the parameters
      [0xbe, ...le32(BOOT_PARAMETERS)], //      mov esi, boot_params
      [0x31, 0xed], //                          xor ebp, ebp
      [0x31, 0xff], //                          xor edi, edi
      [0x31, 0xdb], //                          xor ebx, ebx
      [0xb8, ...le32(entry)], //                mov eax, entry
      [0xff, 0xe0], //                          jmp eax
    ].flat(),
  );
}

/** Null, unused, flat code, flat data; then the 6-byte pointer to them for LGDT. */
function descriptorTable(): Uint8Array {
  const flat = (access: number): number[] => [0xff, 0xff, 0, 0, 0, access, 0xcf, 0];
  const pointer = [...le16(4 * 8 - 1), ...le32(SEGMENT + GDT)];
  return Uint8Array.of(...new Uint8Array(16), ...flat(0x9b), ...flat(0x93), ...pointer);
}

function le16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function le32(value: number): number[] {
  return [...le16(value), ...le16(value >>> 16)];
}
