import * as aml from "./aml.ts";
import { ACPI_TABLES } from "./boot.ts";
import { PCI_PORTS, PCI_WINDOW } from "./pci.ts";

/** v86's ACPI registers, where a PIIX4 has them, and the reset control register. */
export const ACPI_PORTS = { pm1Event: 0xb000, pm1Control: 0xb004, timer: 0xb008, gpe: 0xafe0, reset: 0xcf9 };
const RESET_VALUE = 6;
/** SLP_TYP of soft-off and the bit that enters it, in the PM1 control register (ACPI 6.5, 4.8.3.2). */
export const SLEEP = { soft_off: 5, typeShift: 10, enable: 1 << 13 };

const LOCAL_APIC = 0xfee00000;
const IOAPIC = 0xfec00000;
const SCI = 9;

export interface AcpiDevices {
  /** Interrupt routing of PCI slots: the IOAPIC pin, and the PIC's for guests without IOAPIC. */
  pci: readonly { slot: number; gsi: number; irq: number }[];
  mmio: readonly { start: number; length: number; gsi: number }[];
}

/** All tables, to be loaded at ACPI_TABLES.start; `rsdp` is the root pointer's address. */
export function acpiTables(devices: AcpiDevices): { bytes: Uint8Array; rsdp: number } {
  const place = new Placement(ACPI_TABLES.start);
  const facs = place.add(facsTable(), 64);
  const dsdt = place.add(table("DSDT", 2, dsdtBody(devices)));
  const fadt = place.add(table("FACP", 3, fadtBody(facs, dsdt)));
  const madt = place.add(table("APIC", 3, madtBody()));
  const rsdt = place.add(
    table(
      "RSDT",
      1,
      [fadt, madt].flatMap((address) => le(address, 4)),
    ),
  );
  const xsdt = place.add(
    table(
      "XSDT",
      1,
      [fadt, madt].flatMap((address) => le(address, 8)),
    ),
  );
  const rsdp = place.add(rootPointer(rsdt, xsdt));
  return { bytes: place.bytes(), rsdp };
}

/** The devices that cannot be probed: the PCI host bridge with its interrupt routing, and virtio-mmio. */
function dsdtBody({ pci, mmio }: AcpiDevices): number[] {
  const route = (pin: "gsi" | "irq"): aml.Aml =>
    aml.packageOf(
      ...pci.map((entry) =>
        aml.packageOf(
          aml.integer(entry.slot * 0x10000 + 0xffff),
          aml.integer(0),
          aml.integer(0),
          aml.integer(entry[pin]),
        ),
      ),
    );
  const hostBridge = aml.device(
    "PCI0",
    aml.name("_HID", aml.eisaId("PNP0A03")),
    aml.name(
      "_CRS",
      aml.resources(
        aml.window("bus", 0, 1),
        aml.ioPorts(0xcf8, 8),
        aml.window("io", PCI_PORTS.start, PCI_PORTS.end),
        aml.window("memory", PCI_WINDOW.start, PCI_WINDOW.end),
      ),
    ),
    aml.method(
      "_PRT",
      0,
      aml.ifTrue(aml.reference("\\PICM"), aml.returns(route("gsi"))),
      aml.returns(route("irq")),
    ),
  );
  const virtioMmio = mmio.map(({ start, length, gsi }, i) =>
    aml.device(
      `VR${i.toString(16).toUpperCase().padStart(2, "0")}`,
      aml.name("_HID", aml.text("LNRO0005")),
      aml.name("_UID", aml.integer(i)),
      aml.name("_CRS", aml.resources(aml.memory32(start, length), aml.interrupt(gsi))),
    ),
  );
  const softOff = aml.packageOf(aml.integer(SLEEP.soft_off), aml.integer(0), aml.integer(0), aml.integer(0));
  return [
    ...aml.name("\\PICM", aml.integer(0)),
    ...aml.method("\\_PIC", 1, aml.storeArgument("\\PICM")), // the guest says whether it uses the IOAPIC
    ...aml.name("\\_S5_", softOff),
    ...aml.scope("\\_SB_", hostBridge, ...virtioMmio),
  ];
}

/** Fixed ACPI Description Table, revision 3 (ACPI 2.0 layout; 6.5, 5.2.9). */
function fadtBody(facs: number, dsdt: number): number[] {
  const bytes = new Uint8Array(244 - 36);
  const view = new DataView(bytes.buffer);
  const at = (offset: number): number => offset - 36; // offsets below are those of the whole table
  view.setUint32(at(36), facs, true);
  view.setUint32(at(40), dsdt, true);
  view.setUint16(at(46), SCI, true);
  view.setUint32(at(56), ACPI_PORTS.pm1Event, true);
  view.setUint32(at(64), ACPI_PORTS.pm1Control, true);
  view.setUint32(at(76), ACPI_PORTS.timer, true);
  view.setUint32(at(80), ACPI_PORTS.gpe, true);
  bytes[at(88)] = 4; // PM1 event block
  bytes[at(89)] = 2; // PM1 control block
  bytes[at(91)] = 4; // timer
  bytes[at(92)] = 4; // GPE0 block
  view.setUint16(at(96), 0xffff, true); // no C2
  view.setUint16(at(98), 0xffff, true); // no C3
  bytes[at(108)] = 0x32; // century byte in the clock's memory
  // Neither an 8042 nor VGA to probe for; there are ISA devices (serial port, clock).
  view.setUint16(at(109), 0b101, true);
  // WBINVD works; no power button, no sleep button; the reset register exists.
  view.setUint32(at(112), (1 << 0) | (1 << 4) | (1 << 5) | (1 << 10), true);
  bytes.set([1, 8, 0, 1, ...le(ACPI_PORTS.reset, 8)], at(116)); // generic address: I/O, 8 bits
  bytes[at(128)] = RESET_VALUE;
  return [...bytes];
}

/** Multiple APIC Description Table (6.5, 5.2.12): one CPU, one IOAPIC, and the ISA lines that are not as on a PC/AT. */
function madtBody(): number[] {
  const levelOverride = (irq: number): number[] => [2, 10, 0, irq, ...le(irq, 4), ...le(0b1101, 2)];
  return [
    ...le(LOCAL_APIC, 4),
    ...le(1, 4), // there is a PIC pair, too
    ...[0, 8, 0, 0, ...le(1, 4)], // processor 0, APIC 0, enabled
    ...[1, 12, 0, 0, ...le(IOAPIC, 4), ...le(0, 4)],
    ...[5, 7, 9, 10, 11].flatMap(levelOverride),
  ];
}

function facsTable(): number[] {
  const bytes = new Array<number>(64).fill(0);
  bytes.splice(0, 8, ...ascii("FACS"), 64, 0, 0, 0);
  return bytes;
}

/** System description table header (6.5, 5.2.6) in front of a body. */
function table(signature: string, revision: number, body: number[]): number[] {
  const length = 36 + body.length;
  const header = [
    ...ascii(signature),
    ...le(length, 4),
    revision,
    0, // checksum, below
    ...ascii("RNGSDE"),
    ...ascii("RINGSIDE"),
    ...le(1, 4),
    ...ascii("RNGS"),
    ...le(1, 4),
  ];
  const bytes = [...header, ...body];
  bytes[9] = checksum(bytes);
  return bytes;
}

/** Root System Description Pointer, revision 2 (6.5, 5.2.5.3). */
function rootPointer(rsdt: number, xsdt: number): number[] {
  const bytes = [
    ...ascii("RSD PTR "),
    0,
    ...ascii("RNGSDE"),
    2,
    ...le(rsdt, 4),
    ...le(36, 4),
    ...le(xsdt, 8),
    0,
    0,
    0,
    0,
  ];
  bytes[8] = checksum(bytes.slice(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
}

/** Lays tables out one after the other. */
class Placement {
  readonly #start: number;
  readonly #bytes: number[] = [];

  constructor(start: number) {
    this.#start = start;
  }

  add(bytes: number[], alignment = 16): number {
    while (this.#bytes.length % alignment !== 0) this.#bytes.push(0);
    const address = this.#start + this.#bytes.length;
    this.#bytes.push(...bytes);
    return address;
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

function checksum(bytes: readonly number[]): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

function le(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) & 0xff);
}
