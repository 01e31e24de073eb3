/** How a guest learns of its virtio-mmio devices, and whether an image's kernel would look there. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError } from "../../src/config/error.ts";
import { parseConfig } from "../../src/config/grammar.ts";
import type { MmioAnnouncement, Transport } from "../../src/config/types.ts";
import { checkFits } from "../../src/machine/fits.ts";
import type { ImageManifest } from "../../src/machine/image.ts";
import { elf } from "./driver/elf.ts";
import { HoldDevice } from "./driver/hold-device.ts";
import { RealBoard } from "./driver/real-board.ts";

const ENTRY = 1 << 20;
const manifest = { kernelParameters: "quiet", name: "test", memory: { minimum: 2 ** 26 } } as ImageManifest;

/** What a machine leaves in memory: its kernel's command line, and its ACPI tables as characters. */
async function loaded(mmio: MmioAnnouncement, transports: Transport[], append: string) {
  const devices = transports.map((transport) => ({ device: new HoldDevice(), transport }));
  const real = await RealBoard.create(devices, mmio);
  try {
    const kernel = elf(ENTRY, [{ address: ENTRY, bytes: new Uint8Array(16) }]);
    real.board.load({ kernel, initrd: new Uint8Array(16), manifest }, append);
    const { u8, u32 } = real.board.cpu.memory;
    const at = u32[(0x7000 + 0x228) / 4]!; // cmd_line_ptr in the boot parameters
    return {
      places: real.board.places,
      commandLine: Buffer.from(u8.subarray(at, u8.indexOf(0, at))).toString(),
      tables: Buffer.from(u8.subarray(0xe0000, 0xf0000)).toString("latin1"),
    };
  } finally {
    real.dispose();
  }
}

const FIVE: Transport[] = ["mmio", "pci", "mmio-legacy", "mmio", "mmio", "mmio-legacy"];

describe("virtio-mmio devices", () => {
  it("are announced in the DSDT with mmio=acpi, and nowhere else", async () => {
    const { commandLine, tables, places } = await loaded("acpi", FIVE, "panic=1");
    assert.equal(commandLine, "quiet panic=1");
    assert.equal(tables.split("LNRO0005").length - 1, 5);
    assert.deepEqual(
      places.filter((place) => place.startsWith("0x")),
      ["0xfea00000", "0xfea01000", "0xfea02000", "0xfea03000", "0xfea04000"],
    );
  });

  it("are announced on the command line with mmio=cmdline, before what the person appends, and nowhere else", async () => {
    const { commandLine, tables } = await loaded("cmdline", FIVE, "panic=1 -- for-init");
    assert.equal(
      commandLine,
      "quiet virtio_mmio.device=512@0xfea00000:5:0 virtio_mmio.device=512@0xfea01000:10:1 " +
        "virtio_mmio.device=512@0xfea02000:11:2 virtio_mmio.device=512@0xfea03000:7:3 " +
        "virtio_mmio.device=512@0xfea04000:5:4 panic=1 -- for-init",
    );
    assert.ok(!tables.includes("LNRO0005"));
  });

  it("that are too many for a command line are refused with a sentence", async () => {
    const many = new Array<Transport>(24).fill("mmio");
    await assert.rejects(
      loaded("cmdline", many, "x".repeat(1536)),
      /command line has \d+ bytes; at most 2047 fit/,
    );
    assert.equal((await loaded("cmdline", many, "")).commandLine.split("virtio_mmio.device=").length - 1, 24);
  });
});

describe("an image and a machine's announcement", () => {
  const check = (text: string, mmioCommandLine?: boolean): void =>
    checkFits(parseConfig(text, "node"), {
      ...manifest,
      ...(mmioCommandLine !== undefined && { mmioCommandLine }),
    });

  it("do not fit when the kernel would ignore the devices; the message names what to do", () => {
    for (const device of ["rng,transport=mmio", "rng,transport=mmio-legacy"]) {
      for (const can of [undefined, false]) {
        assert.throws(
          () => check(`mmio=cmdline&device=${device}`, can),
          (error: ConfigError) => {
            assert.ok(error instanceof ConfigError);
            assert.match(error.message, /image "test" is built without CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES/);
            assert.match(error.message, /expected mmio=acpi, or .*image=debian-busybox-mmio-cmdline/);
            return true;
          },
        );
      }
    }
  });

  it("fit when it looks there, or when there is nothing to look for", () => {
    check("mmio=cmdline&device=rng,transport=mmio", true);
    check("mmio=cmdline&device=rng");
    check("mmio=acpi&device=rng,transport=mmio");
    check("mmio=acpi&device=rng,transport=mmio", true);
  });

  it("do not fit when the memory is too small for the kernel", () => {
    const small = { ...manifest, memory: { minimum: 2 ** 28, recommended: 2 ** 28 } };
    assert.throws(() => checkFits(parseConfig("memory=255M"), small), /expected memory=256M or more/);
    checkFits(parseConfig("memory=256M"), small);
  });
});
