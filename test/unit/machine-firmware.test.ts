import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AcpiDevices, acpiTables } from "../../src/machine/acpi.ts";
import * as aml from "../../src/machine/aml.ts";
import { ACPI_TABLES } from "../../src/machine/boot.ts";
import { PCI_WINDOW } from "../../src/machine/pci.ts";
import { SMBIOS_ADDRESS, smbiosTables } from "../../src/machine/smbios.ts";

const DEVICES: AcpiDevices = {
  pci: Array.from({ length: 31 }, (_, i) => ({
    slot: i + 1,
    gsi: 16 + (i % 4),
    irq: [11, 10, 5, 7][i % 4]!,
  })),
  mmio: Array.from({ length: 40 }, (_, i) => ({ start: 0xfea00000 + 0x1000 * i, length: 0x200, gsi: 5 })),
};

/** The tables as an operating system finds them: by address. */
class Tables {
  readonly rsdp: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(devices: AcpiDevices = DEVICES) {
    const { bytes, rsdp } = acpiTables(devices);
    this.rsdp = rsdp;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    assert.ok(ACPI_TABLES.start + bytes.length <= ACPI_TABLES.end);
  }

  bytes(address: number, length: number): Uint8Array {
    const at = address - ACPI_TABLES.start;
    assert.ok(
      at >= 0 && at + length <= this.#bytes.length,
      `0x${address.toString(16)} is outside the tables`,
    );
    return this.#bytes.subarray(at, at + length);
  }

  u8(address: number): number {
    return this.bytes(address, 1)[0]!;
  }

  u16(address: number): number {
    return this.#view.getUint16(address - ACPI_TABLES.start, true);
  }

  u32(address: number): number {
    return this.#view.getUint32(address - ACPI_TABLES.start, true);
  }

  text(address: number, length: number): string {
    return new TextDecoder().decode(this.bytes(address, length));
  }

  /** A table by the address of its header; checks its checksum. */
  table(address: number, signature: string): { address: number; length: number; body: Uint8Array } {
    assert.equal(this.text(address, 4), signature);
    const length = this.u32(address + 4);
    assert.equal(sum(this.bytes(address, length)), 0, `checksum of ${signature}`);
    return { address, length, body: this.bytes(address + 36, length - 36) };
  }

  get fadt(): { address: number; length: number } {
    return this.table(this.u32(this.table(this.u32(this.rsdp + 16), "RSDT").address + 36), "FACP");
  }

  get dsdt(): Uint8Array {
    return this.table(this.u32(this.fadt.address + 40), "DSDT").body;
  }
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => total + byte, 0) & 0xff;
}

describe("ACPI tables (6.5)", () => {
  it("5.2.5.3: the root pointer has both checksums, an address on a 16-byte boundary, and both tables", () => {
    const tables = new Tables();
    const { rsdp } = tables;
    assert.equal(rsdp % 16, 0);
    assert.equal(tables.text(rsdp, 8), "RSD PTR ");
    assert.equal(tables.u8(rsdp + 15), 2);
    assert.equal(tables.u32(rsdp + 20), 36);
    assert.equal(sum(tables.bytes(rsdp, 20)), 0);
    assert.equal(sum(tables.bytes(rsdp, 36)), 0);
    assert.equal(tables.u32(rsdp + 28), 0, "the XSDT lies below 4 GiB");
  });

  it("5.2.7, 5.2.8: RSDT and XSDT name the same tables, whose checksums are right", () => {
    const tables = new Tables();
    const rsdt = tables.table(tables.u32(tables.rsdp + 16), "RSDT");
    const xsdt = tables.table(tables.u32(tables.rsdp + 24), "XSDT");
    const short = Array.from({ length: (rsdt.length - 36) / 4 }, (_, i) =>
      tables.u32(rsdt.address + 36 + 4 * i),
    );
    const long = Array.from({ length: (xsdt.length - 36) / 8 }, (_, i) =>
      tables.u32(xsdt.address + 36 + 8 * i),
    );
    assert.deepEqual(short, long);
    assert.deepEqual(
      short.map((address) => tables.text(address, 4)),
      ["FACP", "APIC"],
    );
    for (const address of short) tables.table(address, tables.text(address, 4));
  });

  it("5.2.9: the FADT points to FACS and DSDT, to v86's registers, and has a reset register", () => {
    const tables = new Tables();
    const { address, length } = tables.fadt;
    assert.equal(length, 244);
    const facs = tables.u32(address + 36);
    assert.equal(facs % 64, 0, "5.2.10");
    assert.equal(tables.text(facs, 4), "FACS");
    assert.equal(tables.u32(facs + 4), 64);
    tables.table(tables.u32(address + 40), "DSDT");
    assert.equal(tables.u16(address + 46), 9);
    assert.equal(tables.u32(address + 48), 0, "no SMI port: ACPI is always on");
    assert.deepEqual(
      [56, 64, 76, 80].map((offset) => tables.u32(address + offset)),
      [0xb000, 0xb004, 0xb008, 0xafe0],
    );
    assert.ok(tables.u32(address + 112) & (1 << 10));
    assert.deepEqual([...tables.bytes(address + 116, 4)], [1, 8, 0, 1]);
    assert.equal(tables.u32(address + 120), 0xcf9);
    assert.equal(tables.u8(address + 128), 6);
  });

  it("5.2.12: the MADT has one CPU, one IOAPIC, and says that our ISA lines are level-triggered, active high", () => {
    const tables = new Tables();
    const madt = tables.table(tables.u32(tables.u32(tables.rsdp + 16) + 40), "APIC");
    assert.equal(tables.u32(madt.address + 36), 0xfee00000);
    const entries: number[][] = [];
    for (let at = madt.address + 44; at < madt.address + madt.length; at += tables.u8(at + 1)) {
      entries.push([...tables.bytes(at, tables.u8(at + 1))]);
    }
    const [cpu, ioapic, ...overrides] = entries;
    assert.deepEqual(cpu, [0, 8, 0, 0, 1, 0, 0, 0]);
    assert.deepEqual(ioapic, [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    assert.deepEqual(
      overrides.map(([type, length, bus, irq, gsi, , , , flags]) => [type, length, bus, irq, gsi, flags]),
      [5, 7, 9, 10, 11].map((irq) => [2, 10, 0, irq, irq, 0b1101]),
    );
  });

  it("20.2: the DSDT's packages, scopes and methods nest, and every byte belongs to one", () => {
    const parsed = parseAml(new Tables().dsdt);
    const names = parsed.map(({ path }) => path);
    assert.deepEqual(names.slice(0, 4), ["\\PICM", "\\_PIC", "\\_S5_", "\\_SB_"]);
    const devices = parsed.filter(({ kind }) => kind === "device").map(({ path }) => path);
    assert.equal(devices.length, 1 + DEVICES.mmio.length);
    assert.equal(new Set(devices).size, devices.length, "every device has a name of its own");
  });

  it("6.2.13: _PRT routes INTA# of every slot, to the IOAPIC or to the PIC", () => {
    const { dsdt } = new Tables();
    for (const { slot, gsi, irq } of DEVICES.pci) {
      for (const pin of [gsi, irq]) {
        const entry = aml.packageOf(aml.integer(slot * 0x10000 + 0xffff), [0], [0], aml.integer(pin));
        assert.ok(includes(dsdt, entry), `slot ${slot}, pin ${pin}`);
      }
    }
  });

  it("6.4.3: every virtio-mmio device has its memory and its interrupt: level, active high, shared", () => {
    const { dsdt } = new Tables();
    for (const { start, length, gsi } of DEVICES.mmio) {
      const memory = [0x86, 9, 0, 1, ...le32(start), ...le32(length)];
      const interrupt = [0x89, 6, 0, 0b01001, 1, ...le32(gsi)];
      assert.ok(includes(dsdt, [...memory, ...interrupt, 0x79, 0]));
    }
  });

  it("6.4.3.5.3: the host bridge forwards the window that the PCI bus decodes", () => {
    const window = [0, PCI_WINDOW.start, PCI_WINDOW.end - 1, 0, PCI_WINDOW.end - PCI_WINDOW.start].flatMap(
      le32,
    );
    assert.ok(includes(new Tables().dsdt, [0x87, 23, 0, 0, 0x0c, 1, ...window]));
  });

  it("a machine without devices has tables, too", () => {
    parseAml(new Tables({ pci: [], mmio: [] }).dsdt);
  });

  it("20.2.4: package lengths of one, two and three bytes", () => {
    for (const [body, head] of [
      [62, [63]],
      [63, [0x41, 0x04]],
      [4093, [0x4f, 0xff]],
      [4094, [0x81, 0x00, 0x01]],
    ] as const) {
      const scope = aml.scope("ABCD", new Array<number>(body - 4).fill(0));
      assert.deepEqual(scope.slice(1, 1 + head.length), [...head], `${body} bytes`);
      assert.equal(scope.length, 1 + head.length + body);
    }
  });

  it("20.2.3, 19.3.4: integers and EISA identifiers", () => {
    assert.deepEqual(aml.integer(0), [0]);
    assert.deepEqual(aml.integer(1), [1]);
    assert.deepEqual(aml.integer(2), [0x0a, 2]);
    assert.deepEqual(aml.integer(0x100), [0x0b, 0, 1]);
    assert.deepEqual(aml.integer(0x1ffff), [0x0c, 0xff, 0xff, 1, 0]);
    assert.deepEqual(aml.eisaId("PNP0A03"), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  });
});

describe("SMBIOS tables (DSP0134 3.0)", () => {
  const tables = smbiosTables("7");
  const view = new DataView(tables.buffer);

  interface Structure {
    type: number;
    handle: number;
    area: Uint8Array;
    strings: string[];
  }

  function structures(): Structure[] {
    const found: Structure[] = [];
    const end = view.getUint32(16, true) - SMBIOS_ADDRESS + view.getUint32(12, true);
    let at = view.getUint32(16, true) - SMBIOS_ADDRESS;
    while (at < end) {
      const length = tables[at + 1]!;
      const area = tables.subarray(at, at + length);
      const strings: string[] = [];
      let text = at + length;
      if (tables[text] === 0) text++;
      while (tables[text] !== 0) {
        const next = tables.indexOf(0, text);
        strings.push(new TextDecoder().decode(tables.subarray(text, next)));
        text = next + 1;
      }
      found.push({ type: tables[at]!, handle: view.getUint16(at + 2, true), area, strings });
      at = text + 1;
    }
    assert.equal(at, end, "6.1.3: ends with its last structure");
    return found;
  }

  it("5.2.2: the entry point has its anchor, version and checksum, where guests look for it", () => {
    assert.equal(new TextDecoder().decode(tables.subarray(0, 5)), "_SM3_");
    assert.equal(tables[6], 24);
    assert.equal(sum(tables.subarray(0, 24)), 0);
    assert.deepEqual([...tables.subarray(7, 9)], [3, 0]);
    assert.equal(SMBIOS_ADDRESS, 0xf0000, "guests search from here on");
    assert.ok(SMBIOS_ADDRESS + tables.length <= 0xf8000, "clear of the start-up code");
  });

  it("6: firmware, system, chassis and the end, each with a handle of its own", () => {
    const list = structures();
    assert.deepEqual(
      list.map(({ type }) => type),
      [0, 1, 3, 127],
    );
    assert.equal(new Set(list.map(({ handle }) => handle)).size, 4);
  });

  it("7.1, 7.2: what /sys/class/dmi/id shows: vendor, product and version are Ringside's", () => {
    const [firmware, system, chassis] = structures();
    const text = ({ area, strings }: Structure, offset: number): string | undefined =>
      strings[area[offset]! - 1];
    assert.equal(text(firmware!, 4), "Ringside");
    assert.equal(text(firmware!, 5), "7");
    assert.match(text(firmware!, 8)!, /^\d\d\/\d\d\/\d{4}$/);
    assert.equal(text(system!, 4), "Ringside");
    assert.equal(text(system!, 5), "Ringside");
    assert.equal(text(system!, 6), "7");
    assert.equal(text(system!, 0x1a), "Virtual Machine");
    assert.equal(text(chassis!, 4), "Ringside");
    assert.deepEqual([firmware!.area.length, system!.area.length, chassis!.area.length], [26, 27, 22]);
  });

  it("7.1.2.2: bit 4 of the second extension byte says that this is a virtual machine", () => {
    const [firmware] = structures();
    assert.equal(firmware!.area[0x0a], 0x08, "7.1.1: the characteristics are not given");
    assert.equal(firmware!.area[0x12]! & 1, 1, "7.1.2.1: ACPI");
    assert.equal(firmware!.area[0x13], 0x10);
  });
});

function le32(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
}

function includes(bytes: Uint8Array, part: readonly number[]): boolean {
  return Buffer.from(bytes).includes(Buffer.from(part));
}

interface AmlObject {
  kind: "name" | "scope" | "device" | "method";
  path: string;
}

/** A parser of the AML that our tables use (20.2); throws at anything else. Methods' bodies are checked as terms, too. */
function parseAml(bytes: Uint8Array): AmlObject[] {
  const objects: AmlObject[] = [];
  let at = 0;
  const next = (): number => {
    assert.ok(at < bytes.length, "ends in the middle");
    return bytes[at++]!;
  };
  const packageEnd = (): number => {
    const start = at;
    const lead = next();
    const more = lead >> 6;
    let length = more === 0 ? lead & 0x3f : lead & 0x0f;
    for (let i = 0; i < more; i++) length += next() * 2 ** (4 + 8 * i);
    assert.ok(start + length <= bytes.length, "a package that ends outside");
    return start + length;
  };
  const nameString = (): string => {
    let path = "";
    if (bytes[at] === 0x5c) path += String.fromCharCode(next());
    const segments = bytes[at] === 0x2e ? (at++, 2) : 1;
    for (let i = 0; i < 4 * segments; i++) path += String.fromCharCode(next());
    assert.match(path, /^\\?[A-Z_][A-Z0-9_]{3}([A-Z_][A-Z0-9_]{3})?$/);
    return path;
  };
  const data = (): void => {
    const opcode = next();
    if (opcode === 0x00 || opcode === 0x01) return;
    if (opcode === 0x0a) at += 1;
    else if (opcode === 0x0b) at += 2;
    else if (opcode === 0x0c) at += 4;
    else if (opcode === 0x0d) at = bytes.indexOf(0, at) + 1;
    else if (opcode === 0x11) at = packageEnd();
    else if (opcode === 0x12) {
      const end = packageEnd();
      for (let left = next(); left > 0; left--) data();
      assert.equal(at, end, "a package holds as many elements as it says");
    } else assert.fail(`data opcode 0x${opcode.toString(16)}`);
  };
  const terms = (end: number): void => {
    while (at < end) {
      const opcode = next();
      if (opcode === 0x08) {
        objects.push({ kind: "name", path: nameString() });
        data();
      } else if (opcode === 0x10 || opcode === 0x14 || (opcode === 0x5b && bytes[at] === 0x82)) {
        if (opcode === 0x5b) at++;
        const kind = opcode === 0x10 ? "scope" : opcode === 0x14 ? "method" : "device";
        const inner = packageEnd();
        objects.push({ kind, path: nameString() });
        if (kind === "method") at++; // flags: the number of arguments
        terms(inner);
      } else if (opcode === 0x70) {
        assert.equal(next(), 0x68, "Arg0");
        nameString();
      } else if (opcode === 0xa0) {
        const inner = packageEnd();
        nameString();
        terms(inner);
      } else if (opcode === 0xa4) data();
      else assert.fail(`term opcode 0x${opcode.toString(16)} at ${at - 1}`);
    }
    assert.equal(at, end, "a term that crosses the end of its package");
  };
  terms(bytes.length);
  return objects;
}
