import { type Cpu, MMIO_BLOCK } from "./cpu.ts";
import type { MmioBus, MmioRegion } from "./mmio.ts";
import { type BarBus, type BarSpace, PciFunction, type PciFunctionOptions } from "./pci-function.ts";
import { PortBus } from "./ports.ts";

/** Memory that the host bridge forwards to PCI; the DSDT says the same. Clear of v86's frame buffer at 0xE0000000. */
export const PCI_WINDOW = { start: 0xc0000000, end: 0xe0000000 };
/** I/O ports that it forwards: clear of everything that a PC and v86's ACPI device have at fixed ports. */
export const PCI_PORTS = { start: 0xc000, end: 0x10000 };

/** The host bridge that Linux expects to see: the oldest one that virtual machines show. */
const HOST_BRIDGE = {
  vendor: 0x8086,
  device: 0x1237,
  subsystemVendor: 0,
  subsystem: 0,
  classCode: 0x060000,
  revision: 2,
};

/** Enable, bus, device, function, register: the other bits of the address register read as 0. */
const ADDRESS_BITS = 0x80fffffc;
/** Slot 0 is the host bridge. */
export const LAST_SLOT = 31;

/** PCI bus 0 behind configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2), in place of v86's own. */
export class PciBus implements BarBus {
  readonly #functions = new Map<number, PciFunction>();
  readonly #mmio: MmioBus;
  readonly #ports: PortBus;
  /** What `allocate` gave away, in the order of the addresses. */
  readonly #allocated: Record<BarSpace, { start: number; end: number }[]> = { memory: [], ports: [] };
  #address = 0;

  constructor(cpu: Pick<Cpu, "onPort">, mmio: MmioBus) {
    this.#mmio = mmio;
    this.#ports = new PortBus(cpu);
    this.#functions.set(0, new PciFunction({ identity: HOST_BRIDGE }, this));
    this.#connect(cpu);
  }

  /** Puts a function into `slot` (1 to 31). @throws RangeError when there is no such slot. */
  add(slot: number, options: PciFunctionOptions): PciFunction {
    if (slot > LAST_SLOT) throw new RangeError(`The PCI bus has room for ${LAST_SLOT} devices.`);
    const pciFunction = new PciFunction(options, this);
    this.#functions.set(slot, pciFunction);
    return pciFunction;
  }

  /** The lowest slot without a function. @throws RangeError when there is none. */
  freeSlot(): number {
    for (let slot = 1; slot <= LAST_SLOT; slot++) if (!this.#functions.has(slot)) return slot;
    throw new RangeError(`The PCI bus has room for ${LAST_SLOT} devices.`);
  }

  /** Takes the function in `slot` away: nobody answers there, nor at its BARs, and its interrupt line is low. */
  remove(slot: number): void {
    const pciFunction = this.#functions.get(slot);
    if (slot === 0 || !pciFunction) return;
    this.#functions.delete(slot);
    for (const { space, address } of pciFunction.unplug()) {
      this.#allocated[space] = this.#allocated[space].filter(({ start }) => start !== address);
    }
  }

  /** The lowest free, aligned place for a BAR, as firmware would assign it; free again when its function is removed. */
  allocate(space: BarSpace, size: number): number {
    const taken = this.#allocated[space];
    let start = Math.ceil(window(space).start / size) * size;
    let place = 0;
    for (; place < taken.length && taken[place]!.start < start + size; place++) {
      start = Math.max(start, Math.ceil(taken[place]!.end / size) * size);
    }
    taken.splice(place, 0, { start, end: start + size });
    return start;
  }

  map(space: BarSpace, start: number, size: number, region: MmioRegion): void {
    if (inWindow(space, start, size)) this.#bus(space).map(start, size, region);
  }

  unmap(space: BarSpace, start: number, size: number, region: MmioRegion): void {
    if (inWindow(space, start, size)) this.#bus(space).unmap(start, size, region);
  }

  #bus(space: BarSpace): MmioBus | PortBus {
    return space === "ports" ? this.#ports : this.#mmio;
  }

  #connect(cpu: Pick<Cpu, "onPort">): void {
    // Only a 32-bit access reaches the address register; 0xCF9 is the reset control register.
    cpu.onPort(0xcf8, {
      read32: () => this.#address | 0,
      write32: (value) => (this.#address = (value & ADDRESS_BITS) >>> 0),
    });
    const ignore = { read8: () => 0xff, write8: () => undefined };
    for (const port of [0xcf8, 0xcfa, 0xcfb]) cpu.onPort(port, ignore);
    cpu.onPort(0xcf9, { read8: () => 0, write8: (value) => this.onResetControl?.(value) });
    for (let byte = 0; byte < 4; byte++) {
      cpu.onPort(0xcfc + byte, {
        read8: () => this.#read(byte, 1),
        write8: (value) => this.#write(byte, 1, value),
        ...(byte % 2 === 0 && {
          read16: () => this.#read(byte, 2),
          write16: (value) => this.#write(byte, 2, value),
        }),
        ...(byte === 0 && {
          read32: () => this.#read(byte, 4) | 0,
          write32: (value) => this.#write(byte, 4, value >>> 0),
        }),
      });
    }
  }

  /** Told of writes to the reset control register at port 0xCF9. */
  onResetControl: ((value: number) => void) | undefined;

  #read(byte: number, width: number): number {
    const all = width === 4 ? 0xffffffff : (1 << (8 * width)) - 1;
    return this.#selected()?.read((this.#address & 0xfc) + byte, width) ?? all;
  }

  #write(byte: number, width: number, value: number): void {
    this.#selected()?.write((this.#address & 0xfc) + byte, width, value);
  }

  /** The function that the address register names: enabled, bus 0, function 0. */
  #selected(): PciFunction | undefined {
    const enabled = this.#address >= 0x80000000;
    const busAndFunction = (this.#address >>> 16) & 0xff || (this.#address >>> 8) & 7;
    return enabled && busAndFunction === 0 ? this.#functions.get((this.#address >>> 11) & 31) : undefined;
  }
}

function inWindow(space: BarSpace, start: number, size: number): boolean {
  const { start: first, end } = window(space);
  return start >= first && start + size <= end && size <= MMIO_BLOCK / 2;
}

function window(space: BarSpace): { start: number; end: number } {
  return space === "ports" ? PCI_PORTS : PCI_WINDOW;
}
