import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ACPI_TABLES, ImageError, loadGuest } from "../../src/machine/boot.ts";
import type { GuestImage } from "../../src/machine/image.ts";
import { BOOT_PARAMETERS, startUpCode } from "../../src/machine/rom.ts";
import { elf, type Segment } from "./driver/elf.ts";

const MIB = 1 << 20;
const ENTRY = 16 * MIB;

/** Memory that a guest is loaded into. */
class Ram {
  readonly size: number;
  readonly u8: Uint8Array;

  constructor(size: number) {
    this.size = size;
    this.u8 = new Uint8Array(size);
  }

  load(address: number, bytes: Uint8Array): void {
    if (address < 0 || address + bytes.length > this.size) throw new RangeError("outside");
    this.u8.set(bytes, address);
  }

  u32(address: number): number {
    return new DataView(this.u8.buffer).getUint32(address, true);
  }
}

function image(kernel: Uint8Array, initrd = new Uint8Array(5000).fill(0x77)): GuestImage {
  return { kernel, initrd, manifest: {} as GuestImage["manifest"] };
}

const CODE = Uint8Array.from({ length: 3000 }, (_, i) => i & 0xff);
const GOOD: readonly Segment[] = [
  { address: ENTRY, bytes: CODE, inMemory: 20_000 },
  { type: 4, address: 0, bytes: new Uint8Array(16) }, // PT_NOTE
  { address: ENTRY + 0x10000, bytes: CODE.subarray(0, 100) },
];

describe("direct boot (Linux, Documentation/arch/x86/boot.rst)", () => {
  it("loads the segments to their physical addresses, the rest stays zero", () => {
    const ram = new Ram(64 * MIB);
    loadGuest(ram, image(elf(ENTRY, GOOD)), "", 0);
    assert.deepEqual(ram.u8.subarray(ENTRY, ENTRY + 3000), CODE);
    assert.deepEqual(ram.u8.subarray(ENTRY + 3000, ENTRY + 0x10000), new Uint8Array(0x10000 - 3000));
    assert.deepEqual(ram.u8.subarray(ENTRY + 0x10000, ENTRY + 0x10064), CODE.subarray(0, 100));
  });

  it("fills in boot_params: loader, initrd, command line, ACPI root pointer", () => {
    const ram = new Ram(64 * MIB);
    loadGuest(ram, image(elf(ENTRY, GOOD)), "console=hvc0 größe", 0xe1230);
    const at = (offset: number): number => ram.u32(BOOT_PARAMETERS + offset);
    assert.equal(at(0x202), 0x53726448, "HdrS");
    assert.equal(at(0x1fe) & 0xffff, 0xaa55);
    assert.equal(ram.u8[BOOT_PARAMETERS + 0x210], 0xff);
    assert.equal(at(0x070), 0xe1230);
    const [initrd, length] = [at(0x218), at(0x21c)];
    assert.equal(length, 5000);
    assert.equal(initrd % 4096, 0);
    assert.ok(initrd + length <= 64 * MIB && initrd > 60 * MIB, "as high as it goes");
    assert.deepEqual(ram.u8.subarray(initrd, initrd + length), new Uint8Array(5000).fill(0x77));
    const text = new TextEncoder().encode("console=hvc0 größe\0");
    assert.deepEqual(ram.u8.subarray(at(0x228), at(0x228) + text.length), text);
  });

  it("tells the memory map: sorted, without overlaps, the tables and the ROM not as RAM, all the rest there", () => {
    for (const size of [64 * MIB, 128 * MIB]) {
      const ram = new Ram(size);
      loadGuest(ram, image(elf(ENTRY, GOOD)), "", 0);
      const count = ram.u8[BOOT_PARAMETERS + 0x1e8]!;
      let end = 0;
      const types = new Map<number, number>();
      for (let i = 0; i < count; i++) {
        const at = BOOT_PARAMETERS + 0x2d0 + 20 * i;
        const [start, length, type] = [ram.u32(at), ram.u32(at + 8), ram.u32(at + 16)];
        assert.ok(start >= end && length > 0);
        end = start + length;
        types.set(start, type);
      }
      assert.equal(end, size);
      assert.equal(types.get(ACPI_TABLES.start), 3);
      assert.equal(types.get(0xf0000), 2);
      assert.equal(types.get(0x100000), 1);
    }
  });

  it("keeps the initrd below what a 32-bit kernel can reach", () => {
    // No gigabyte in a unit test: only what is written is kept.
    const written = new Map<number, Uint8Array>();
    const memory = { size: 2048 * MIB, load: (at: number, bytes: Uint8Array) => void written.set(at, bytes) };
    loadGuest(memory, image(elf(ENTRY, GOOD)), "", 0);
    const parameters = new DataView(written.get(BOOT_PARAMETERS)!.buffer);
    const initrd = parameters.getUint32(0x218, true);
    assert.ok(written.has(initrd));
    assert.ok(initrd + 5000 <= 0x37fff000 && initrd > 0x37f00000);
  });

  it("puts the start-up code under the reset vector", () => {
    const ram = new Ram(64 * MIB);
    loadGuest(ram, image(elf(ENTRY, GOOD)), "", 0);
    const { code, resetVector } = startUpCode(ENTRY);
    assert.deepEqual(ram.u8.subarray(0xf8000, 0xf8000 + code.length), code);
    assert.deepEqual(ram.u8.subarray(0xffff0, 0xffff0 + resetVector.length), resetVector);
  });
});

describe("what cannot be booted, each with a sentence for a person", () => {
  const refuse = (guest: GuestImage, message: RegExp, { memory = 64 * MIB, commandLine = "" } = {}): void => {
    assert.throws(
      () => loadGuest(new Ram(memory), guest, commandLine, 0),
      (error) => {
        assert.ok(error instanceof ImageError, String(error));
        assert.match(error.message, message);
        assert.match(error.message, /^The .*\.$/, "a whole sentence");
        return true;
      },
    );
  };
  const changed = (change: (view: DataView) => void): GuestImage => {
    const file = elf(ENTRY, GOOD);
    change(new DataView(file.buffer));
    return image(file);
  };

  it("a kernel that is no ELF file, or not for 32-bit x86", () => {
    for (const kernel of [
      new Uint8Array(),
      new Uint8Array(51),
      new TextEncoder().encode("<!doctype html>".repeat(10)),
      new Uint8Array(5000),
    ]) {
      refuse(image(kernel), /not an ELF file for 32-bit x86/);
    }
    refuse(
      changed((view) => view.setUint8(4, 2)),
      /not an ELF file for 32-bit x86/,
    );
    refuse(
      changed((view) => view.setUint16(18, 62, true)),
      /not an ELF file for 32-bit x86/,
    );
  });

  it("a kernel cut short at any byte", () => {
    const file = elf(ENTRY, GOOD);
    const headers = 52 + 32 * 3;
    for (
      let length = 0;
      length < file.length;
      length += length < headers + 20 || length > file.length - 120 ? 1 : 61
    ) {
      const expected =
        length < 52
          ? /not an ELF file/
          : length < headers
            ? /program headers are missing|cut short/
            : /cut short: it ends at/;
      refuse(image(file.slice(0, length)), expected);
    }
  });

  it("headers that lie: segments and tables outside the file, more in the file than in memory", () => {
    refuse(
      changed((view) => view.setUint32(28, 0xfffffff0, true)),
      /program headers are missing/,
    );
    refuse(
      changed((view) => view.setUint16(44, 0xffff, true)),
      /cut short|needs more than|below 1 MiB|nothing/,
    );
    refuse(
      changed((view) => view.setUint32(52 + 4, 0xffffff00, true)),
      /cut short/,
    );
    refuse(
      changed((view) => view.setUint32(52 + 16, 0xffffffff, true)),
      /cut short/,
    );
    refuse(
      changed((view) => view.setUint32(52 + 20, 10, true)),
      /cut short/,
    );
  });

  it("a kernel that does not fit, in the machine's memory or below 4 GiB", () => {
    refuse(
      changed((view) => view.setUint32(52 + 12, 63 * MIB, true)),
      /nothing|starts at/,
      { memory: 128 * MIB },
    );
    refuse(
      changed((view) => view.setUint32(52 + 20, 60 * MIB, true)),
      /needs more than 76 MiB of memory; the machine has 64/,
    );
    refuse(
      changed((view) => view.setUint32(52 + 20, 0xffffffff, true)),
      /needs more than 4112 MiB/,
    );
    refuse(
      changed((view) => view.setUint32(52 + 12, 0xfffff000, true)),
      /needs more than 4097 MiB/,
    );
  });

  it("a kernel that wants to lie where the tables and the start-up code are", () => {
    refuse(
      changed((view) => view.setUint32(52 + 12, 0xf0000, true)),
      /below 1 MiB/,
    );
    refuse(
      changed((view) => view.setUint32(52 + 12, 0, true)),
      /below 1 MiB/,
    );
  });

  it("a kernel with nothing to load, or that starts where nothing is", () => {
    refuse(
      changed((view) => view.setUint16(44, 0, true)),
      /nothing to load/,
    );
    refuse(image(elf(ENTRY, [{ type: 4, address: ENTRY, bytes: CODE }])), /nothing to load/);
    for (const entry of [0, ENTRY - 1, ENTRY + 3000, 0xffffffff]) {
      refuse(
        changed((view) => view.setUint32(24, entry, true)),
        /starts at/,
      );
    }
  });

  it("an initrd that does not fit behind the kernel", () => {
    refuse(
      image(elf(ENTRY, GOOD), new Uint8Array(49 * MIB)),
      /needs more than 66 MiB of memory; the machine has 64/,
    );
    refuse(image(elf(ENTRY, GOOD), new Uint8Array(80 * MIB)), /needs more than 97 MiB/);
  });

  it("a command line of more than 2047 bytes; 2047 are fine", () => {
    const guest = image(elf(ENTRY, GOOD));
    loadGuest(new Ram(64 * MIB), guest, "x".repeat(2047), 0);
    refuse(guest, /command line has 2048 bytes; at most 2047 fit/, { commandLine: "x".repeat(2048) });
    refuse(guest, /command line has 2050 bytes/, { commandLine: "ü".repeat(1025) });
  });
});
