import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applets } from "../../images/debian-busybox/applets.ts";
import { ImageBuildError } from "../../images/errors.ts";
import { checkElf, extractVmlinux, findPayload } from "../../images/pack/bzimage.ts";
import { writeCpio, type CpioEntry } from "../../images/pack/cpio.ts";
import { dynamicNeeds, libraryClosure } from "../../images/pack/libraries.ts";
import {
  closure,
  moduleName,
  modulesAlias,
  modulesDep,
  modulesSoftdep,
  readModule,
  withoutSignature,
  type Module,
} from "../../images/pack/modules.ts";

describe("the cpio writer", () => {
  const bin: CpioEntry = { type: "directory", path: "bin", mode: 0o755 };

  it("writes what the format's description says", () => {
    const bytes = writeCpio(
      [bin, { type: "file", path: "bin/hello", mode: 0o755, data: Buffer.from("hi\n") }],
      0x12345678,
    );
    const text = Buffer.from(bytes).toString("latin1");
    const zero = "00000000";
    const owner = [zero, zero];
    const archive = [zero, zero];
    const device = [zero, zero];
    assert.deepEqual(text.slice(6, 110).match(/.{8}/g), [
      "00000001",
      "000041ed",
      ...owner,
      "00000002",
      "12345678",
      zero,
      ...archive,
      ...device,
      "00000004",
      zero,
    ]);
    assert.equal(text.slice(0, 6), "070701");
    assert.equal(text.slice(110, 116), "bin\0\0\0");
    assert.equal(text.slice(116, 122), "070701");
    assert.equal(text.slice(116 + 6 + 48, 116 + 6 + 56), "00000003", "the file's size");
    assert.equal(text.slice(116 + 110, 116 + 122), "bin/hello\0hi");
    assert.equal(bytes.length % 512, 0);
  });

  it("gives back all entries to a reader", () => {
    const entries: CpioEntry[] = [
      bin,
      { type: "symlink", path: "bin/sh", target: "busybox" },
      { type: "file", path: "bin/empty", mode: 0o644, data: new Uint8Array(0) },
      { type: "file", path: "bin/long", mode: 0o4755, data: new Uint8Array(1001).fill(7) },
      { type: "directory", path: "dev", mode: 0o755 },
      { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    ];
    assert.deepEqual(
      readCpio(writeCpio(entries, 5)).map((entry) => [entry.path, entry.mode, entry.data.length, entry.rdev]),
      [
        ["bin", 0o040755, 0, "0:0"],
        ["bin/sh", 0o120777, 7, "0:0"],
        ["bin/empty", 0o100644, 0, "0:0"],
        ["bin/long", 0o104755, 1001, "0:0"],
        ["dev", 0o040755, 0, "0:0"],
        ["dev/console", 0o020600, 0, "5:1"],
      ],
    );
  });

  it("gives the same bytes for the same entries", () => {
    assert.deepEqual(writeCpio([bin], 1), writeCpio([bin], 1));
  });

  for (const [what, path] of Object.entries({
    absolute: "/bin",
    empty: "",
    upwards: "bin/../x",
    "with a NUL": "a\0b",
    "without its directory": "usr/x",
    "there already": "bin",
  })) {
    it(`refuses a path that is ${what}`, () => {
      assert.throws(
        () => writeCpio([bin, { type: "file", path, mode: 0o644, data: new Uint8Array(1) }], 0),
        RangeError,
      );
    });
  }
});

/** As the kernel reads it: headers and data at multiples of 4, up to the trailer. */
function readCpio(bytes: Uint8Array): { path: string; mode: number; data: Uint8Array; rdev: string }[] {
  const text = Buffer.from(bytes).toString("latin1");
  const entries = [];
  for (let at = 0; ;) {
    assert.equal(text.slice(at, at + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(text.slice(at + 6 + index * 8, at + 14 + index * 8), 16);
    const path = text.slice(at + 110, at + 110 + field(11) - 1);
    const start = (at + 110 + field(11) + 3) & ~3;
    if (path === "TRAILER!!!") return entries;
    const data = bytes.subarray(start, start + field(6));
    entries.push({ path, mode: field(1), data, rdev: `${field(9)}:${field(10)}` });
    at = (start + field(6) + 3) & ~3;
  }
}

describe("taking vmlinux out of a bzImage", () => {
  const xz = Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, ...Array<number>(94).fill(0x55)]);
  const elf = makeElf();
  const unxz = (stream: Uint8Array): Promise<Uint8Array> => {
    assert.deepEqual(Uint8Array.from(stream), xz);
    return Promise.resolve(elf);
  };

  function makeBzImage(change: (view: DataView) => void = () => undefined): Uint8Array {
    const setupSectors = 3;
    const bytes = new Uint8Array((setupSectors + 1) * 512 + 64 + xz.length + 4);
    const view = new DataView(bytes.buffer);
    view.setUint8(0x1f1, setupSectors);
    view.setUint16(0x1fe, 0xaa55, true);
    view.setUint32(0x202, 0x53726448, true);
    view.setUint16(0x206, 0x20f, true);
    view.setUint32(0x248, 64, true);
    view.setUint32(0x24c, xz.length + 4, true);
    bytes.set(xz, (setupSectors + 1) * 512 + 64);
    view.setUint32(bytes.length - 4, elf.length, true);
    change(view);
    return bytes;
  }

  it("finds and decompresses the payload", async () => {
    assert.equal(await extractVmlinux(makeBzImage(), unxz), elf);
  });

  it("counts four setup sectors where the header says none", () => {
    const bytes = new Uint8Array(makeBzImage().length + 512);
    bytes.set(makeBzImage().subarray(0, 2048));
    bytes[0x1f1] = 0;
    bytes.set(makeBzImage().subarray(2048), 2048 + 512);
    assert.deepEqual(Uint8Array.from(findPayload(bytes).stream), xz);
  });

  const damaged: Record<string, [Uint8Array, RegExp]> = {
    "an empty file": [new Uint8Array(0), /no bzImage/],
    "a text": [Buffer.from("hello ".repeat(1000)), /no bzImage/],
    "a file cut within its header": [makeBzImage().subarray(0, 0x24b), /no bzImage/],
    "a file cut within its payload": [makeBzImage().subarray(0, -5), /cut short/],
    "an old protocol": [makeBzImage((view) => view.setUint16(0x206, 0x207, true)), /protocol 2\.7/],
    "a payload that ends far away": [
      makeBzImage((view) => view.setUint32(0x24c, 0xfffffff0, true)),
      /cut short/,
    ],
    "a payload of nothing": [makeBzImage((view) => view.setUint32(0x24c, 0, true)), /cut short/],
    "another compression": [makeBzImage((view) => view.setUint32(2048 + 64, 0x28b52ffd)), /not compressed/],
    "another size after it": [makeBzImage((view) => view.setUint32(view.byteLength - 4, 17, true)), /17/],
  };
  for (const [what, [bytes, message]] of Object.entries(damaged)) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(extractVmlinux(bytes, unxz), (error: Error) => {
        assert.ok(error instanceof ImageBuildError);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it("says so when the stream is damaged", async () => {
    const broken = (): Promise<Uint8Array> => Promise.reject(new Error("xz: corrupt"));
    await assert.rejects(extractVmlinux(makeBzImage(), broken), /damaged/);
  });

  it("refuses an ELF file that is none, is for another machine, or is cut short", () => {
    checkElf(elf);
    const changed = (offset: number, value: number): Uint8Array => {
      const copy = Uint8Array.from(elf);
      copy[offset] = value;
      return copy;
    };
    assert.throws(() => checkElf(new Uint8Array(0)), /no ELF/);
    assert.throws(() => checkElf(changed(0, 0)), /no ELF/);
    assert.throws(() => checkElf(changed(4, 2)), /not for i386/);
    assert.throws(() => checkElf(changed(18, 62)), /not for i386/);
    assert.throws(() => checkElf(changed(44, 0)), /program headers/);
    assert.throws(() => checkElf(changed(28, 0xff)), /program headers/);
    assert.throws(() => checkElf(elf.subarray(0, -1)), /cut short/);
  });

  /** A 32-bit ELF file with one program header that loads its last 16 bytes. */
  function makeElf(): Uint8Array {
    const bytes = new Uint8Array(52 + 32 + 16);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x7f454c46);
    bytes.set([1, 1], 4);
    view.setUint16(18, 3, true);
    view.setUint32(28, 52, true);
    view.setUint16(42, 32, true);
    view.setUint16(44, 1, true);
    view.setUint32(52 + 4, 84, true);
    view.setUint32(52 + 16, 16, true);
    return bytes;
  }
});

describe("kernel modules", () => {
  it("lose their signature, and nothing else", () => {
    const elf = makeModule(["depends="]);
    const signed = (length: number): Buffer => {
      const info = Buffer.alloc(12);
      info.writeUInt32BE(length, 8);
      return Buffer.concat([elf, Buffer.alloc(681, 7), info, Buffer.from("~Module signature appended~\n")]);
    };
    assert.deepEqual(Buffer.from(withoutSignature("a.ko", signed(681))), Buffer.from(elf));
    assert.equal(withoutSignature("a.ko", elf), elf);
    assert.throws(() => withoutSignature("a.ko", signed(2 ** 31)), ImageBuildError);
  });

  it("are read from their .modinfo", () => {
    const elf = makeModule([
      "license=GPL",
      "alias=fs-ext4",
      "alias=ext3",
      "softdep=pre: crypto-crc32c extra post: late",
      "depends=jbd2,mbcache,virtio-ring",
    ]);
    assert.deepEqual(readModule("kernel/fs/ext-4.ko", elf), {
      name: "ext_4",
      path: "kernel/fs/ext-4.ko",
      depends: ["jbd2", "mbcache", "virtio_ring"],
      aliases: ["fs-ext4", "ext3"],
      softPre: ["crypto-crc32c", "extra"],
    });
    assert.deepEqual(readModule("a.ko", makeModule(["depends="])).depends, []);
  });

  it("are refused when damaged, wherever they are cut", () => {
    const elf = makeModule(["depends=a"]);
    for (let length = 0; length < elf.length; length++) {
      assert.throws(() => readModule("a.ko", elf.subarray(0, length)), ImageBuildError, `cut at ${length}`);
    }
    const of64Bits = Uint8Array.from(elf);
    of64Bits[4] = 2;
    assert.throws(() => readModule("a.ko", of64Bits), /damaged or not for i386/);
  });

  it("have the same name with - and _, compressed or not", () => {
    assert.equal(moduleName("kernel/drivers/char/hw_random/virtio-rng.ko.xz"), "virtio_rng");
    assert.equal(moduleName("virtio_rng"), "virtio_rng");
  });

  const module = (name: string, depends: string[] = [], rest: Partial<Module> = {}): Module => ({
    name,
    path: `kernel/${name}.ko`,
    depends,
    aliases: [],
    softPre: [],
    ...rest,
  });
  const all = new Map(
    [
      module("virtio"),
      module("virtio_ring", ["virtio"]),
      module("virtio_pci", ["virtio", "virtio_ring", "core"], { aliases: ["pci:v00001AF4d*"] }),
      module("ext4", [], { softPre: ["crypto-crc32c"] }),
      module("round", ["about"]),
      module("about", ["round"]),
      module("broken", ["absent"]),
    ].map((each) => [each.name, each]),
  );

  it("come with what they need, each after its dependencies, once, without what is built in", () => {
    const names = closure(["virtio-pci", "ext4", "virtio_ring"], all, new Set(["core"])).map(
      ({ name }) => name,
    );
    assert.deepEqual(names, ["virtio", "virtio_ring", "virtio_pci", "ext4"]);
  });

  it("that are missing, needed but missing, or need themselves are told by name", () => {
    assert.throws(() => closure(["nothing"], all), /no module "nothing"\./);
    assert.throws(() => closure(["broken"], all), /"absent", which "broken" needs/);
    assert.throws(() => closure(["round"], all), /needs itself/);
  });

  it("are listed as depmod does", () => {
    const modules = closure(["virtio_pci", "ext4"], all, new Set(["core"]));
    assert.equal(
      modulesDep(modules),
      "kernel/virtio.ko:\n" +
        "kernel/virtio_ring.ko: kernel/virtio.ko\n" +
        "kernel/virtio_pci.ko: kernel/virtio_ring.ko kernel/virtio.ko\n" +
        "kernel/ext4.ko:\n",
    );
    assert.equal(modulesAlias(modules), "alias pci:v00001AF4d* virtio_pci\n");
    assert.equal(modulesSoftdep(modules), "softdep ext4 pre: crypto-crc32c\n");
  });

  /** A 32-bit relocatable ELF file: header, .modinfo, section names, three section headers. */
  function makeModule(info: string[]): Uint8Array {
    const modinfo = Buffer.from(info.map((line) => `${line}\0`).join(""));
    const names = Buffer.from("\0.shstrtab\0.modinfo\0");
    const table = 52 + modinfo.length + names.length;
    const bytes = new Uint8Array(table + 3 * 40);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x7f454c46);
    bytes.set([1, 1], 4);
    view.setUint32(32, table, true);
    view.setUint16(46, 40, true);
    view.setUint16(48, 3, true);
    view.setUint16(50, 1, true);
    bytes.set(modinfo, 52);
    bytes.set(names, 52 + modinfo.length);
    const section = (index: number, name: number, offset: number, size: number): void => {
      view.setUint32(table + index * 40, name, true);
      view.setUint32(table + index * 40 + 16, offset, true);
      view.setUint32(table + index * 40 + 20, size, true);
    };
    section(1, 1, 52 + modinfo.length, names.length);
    section(2, 11, 52, modinfo.length);
    return bytes;
  }
});

describe("shared libraries", () => {
  it("are read from a program, with its loader", () => {
    const program = makeDynamic(["libc.so.6", "libblkid.so.1"], "/lib/ld-linux.so.2");
    assert.deepEqual(dynamicNeeds("program", program), {
      interpreter: "/lib/ld-linux.so.2",
      libraries: ["libc.so.6", "libblkid.so.1"],
    });
    assert.deepEqual(dynamicNeeds("alone", makeDynamic([])), { interpreter: undefined, libraries: [] });
  });

  it("come with those that they need, each once", async () => {
    const files: Record<string, Uint8Array> = {
      "a.so": makeDynamic(["c.so"]),
      "b.so": makeDynamic(["c.so", "a.so"]),
      "c.so": makeDynamic([]),
      "ld.so": makeDynamic([]),
    };
    const programs = new Map([["bin/p", makeDynamic(["a.so", "b.so"], "/lib/ld.so")]]);
    const found = await libraryClosure(programs, (name) => Promise.resolve(files[name]));
    assert.deepEqual([...found.keys()].sort(), ["a.so", "b.so", "c.so", "ld.so"]);
    delete files["c.so"];
    await assert.rejects(
      libraryClosure(programs, (name) => Promise.resolve(files[name])),
      /has c\.so, which a\.so needs/,
    );
    await assert.rejects(
      libraryClosure(new Map([["bin/p", makeDynamic([], "/opt/ld.so")]]), () => Promise.resolve(undefined)),
      /its loader at \/opt\/ld\.so/,
    );
  });

  it("are not read from what is damaged", () => {
    const program = makeDynamic(["libc.so.6"], "/lib/ld-linux.so.2");
    for (const bytes of [
      new Uint8Array(0),
      Buffer.from("#!/bin/sh\nexit 0\n"),
      program.subarray(0, 100),
      program.subarray(0, -2),
    ]) {
      assert.throws(() => dynamicNeeds("lib/x", bytes), ImageBuildError);
    }
  });

  /** An ELF file with a dynamic section at its address 0x1000 and up. */
  function makeDynamic(needed: string[], interpreter = ""): Uint8Array {
    const table = 52;
    const dynamic = table + 3 * 32;
    const strings = dynamic + (needed.length + 2) * 8;
    const names = Buffer.from(["", interpreter, ...needed, ""].join("\0"));
    const bytes = Buffer.alloc(strings + names.length);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1]);
    bytes.writeUInt32LE(table, 28);
    bytes.writeUInt16LE(32, 42);
    bytes.writeUInt16LE(interpreter ? 3 : 2, 44);
    const words = (at: number, values: number[]): void =>
      values.forEach((value, index) => bytes.writeUInt32LE(value, at + index * 4));
    words(table, [1, 0, 0x1000, 0, bytes.length]);
    words(table + 32, [2, dynamic, 0x1000 + dynamic, 0, strings - dynamic]);
    words(table + 64, [3, strings + 1, 0, 0, interpreter.length + 1]);
    needed.forEach((name, index) => words(dynamic + index * 8, [1, names.indexOf(`\0${name}\0`) + 1]));
    words(dynamic + needed.length * 8, [5, 0x1000 + strings]);
    bytes.set(names, strings);
    return bytes;
  }
});

describe("busybox's applets", () => {
  const needed = ["init", "modprobe", "mount", "poweroff", "sh"];
  const names = ["[", "[[", ...Array.from({ length: 120 }, (_, index) => `tool${index}`), ...needed];
  const binary = (list: string[]): Uint8Array => Buffer.from(`\x7fELF code \0${list.join("\0")}\0\0more\0`);

  it("are read from the binary's table", () => {
    assert.deepEqual(applets(binary(names)), names);
  });

  it("are refused when there is no table, it is cut, or one that the guest needs is missing", () => {
    assert.throws(() => applets(new Uint8Array(5000)), /not where it used to be/);
    assert.throws(() => applets(binary(names).subarray(0, 300)), /not where it used to be/);
    assert.throws(() => applets(binary(names.filter((name) => name !== "modprobe"))), /lacks modprobe/);
  });
});
