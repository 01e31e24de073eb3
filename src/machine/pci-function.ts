import type { InterruptLine } from "../virtio/transport/mmio.ts";
import type { VendorCapability } from "../virtio/transport/pci.ts";
import type { MmioRegion } from "./mmio.ts";

export interface PciIdentity {
  vendor: number;
  device: number;
  subsystemVendor: number;
  subsystem: number;
  /** Class, subclass and programming interface, as one 24-bit number. */
  classCode: number;
  revision: number;
}

export interface PciFunctionOptions {
  identity: PciIdentity;
  /** 32-bit memory BARs, by number. `size` is a power of two from 4 KiB to 64 KiB, `address` where firmware put it. */
  bars?: readonly { index: number; size: number; address: number; region: MmioRegion }[];
  /** Capabilities in order. */
  capabilities?: readonly PciCapability[];
  /** The wire of pin INTA#, and what firmware writes into the interrupt line register. */
  interrupt?: { line: InterruptLine; irq: number };
}

export type PciCapability = VendorCapability & { id: number };

/** Where memory BARs are mapped while the function decodes them. */
export interface BarBus {
  map(start: number, size: number, region: MmioRegion): void;
  unmap(start: number, size: number, region: MmioRegion): void;
}

const COMMAND = { MEMORY: 1 << 1, MASTER: 1 << 2, INTX_DISABLE: 1 << 10 } as const;
const STATUS = { INTX: 1 << 3, CAPABILITIES: 1 << 4 } as const;

/**
 * The 256 bytes of configuration space of one PCI function (PCI Local Bus 3.0, 6): which bits can be written is a mask
 * beside them, so that sizing a BAR and keeping read-only fields is one operation.
 */
export class PciFunction {
  readonly #space = new DataView(new ArrayBuffer(256));
  readonly #writable = new DataView(new ArrayBuffer(256));
  readonly #bus: BarBus;
  readonly #bars: NonNullable<PciFunctionOptions["bars"]>;
  readonly #mapped = new Map<number, number>();
  readonly #line: InterruptLine | undefined;
  readonly #windows: { at: number; capability: DataView; window: NonNullable<PciCapability["window"]> }[] =
    [];
  #asserted = false;

  constructor(options: PciFunctionOptions, bus: BarBus) {
    this.#bus = bus;
    this.#bars = options.bars ?? [];
    this.#line = options.interrupt?.line;
    this.#identify(options.identity);
    for (const { index, size, address } of this.#bars) {
      this.#space.setUint32(bar(index), address, true);
      this.#writable.setUint32(bar(index), -size >>> 0, true);
    }
    this.#writable.setUint16(0x04, COMMAND.MEMORY | COMMAND.MASTER | COMMAND.INTX_DISABLE, true);
    this.#writable.setUint8(0x0c, 0xff); // cache line size: for software only
    if (options.interrupt) {
      this.#space.setUint8(0x3c, options.interrupt.irq);
      this.#space.setUint8(0x3d, 1); // INTA#
      this.#writable.setUint8(0x3c, 0xff);
    }
    this.#link(options.capabilities ?? []);
  }

  /** The device's end of INTA#: obeys the command register's disable bit and shows in the status register. */
  readonly interrupt: InterruptLine = {
    set: (asserted) => {
      this.#asserted = asserted;
      this.#updateInterrupt();
    },
  };

  get memoryEnabled(): boolean {
    return (this.#command & COMMAND.MEMORY) !== 0;
  }

  /** Whether the function may read and write guest memory. */
  get busMaster(): boolean {
    return (this.#command & COMMAND.MASTER) !== 0;
  }

  /** Told after a write to the command register. */
  onCommand: (() => void) | undefined;

  /** Reads 1, 2 or 4 bytes; the result is unsigned. */
  read(offset: number, width: number): number {
    for (const { at, capability, window } of this.#windows) {
      if (offset < at + 4 && offset + width > at) this.#space.setUint32(at, window.read(capability), true);
    }
    if (width === 4) return this.#space.getUint32(offset, true);
    return width === 2 ? this.#space.getUint16(offset, true) : this.#space.getUint8(offset);
  }

  /** Writes 1, 2 or 4 bytes; bits that cannot be written keep their value. */
  write(offset: number, width: number, value: number): void {
    for (let i = 0; i < width; i++) {
      const mask = this.#writable.getUint8(offset + i);
      const kept = this.#space.getUint8(offset + i) & ~mask;
      this.#space.setUint8(offset + i, kept | ((value >>> (8 * i)) & mask));
    }
    if (offset < 0x08) {
      this.#updateInterrupt();
      this.onCommand?.();
    }
    if (offset < 0x28) this.#decode();
    for (const { at, capability, window } of this.#windows) {
      if (offset < at + 4 && offset + width > at) window.write(capability, this.#space.getUint32(at, true));
    }
  }

  /** Maps each BAR where its register says while memory decoding is on (6.2.5), and takes it away otherwise. */
  #decode(): void {
    for (const { index, size, region } of this.#bars) {
      const address = this.memoryEnabled ? this.#space.getUint32(bar(index), true) : undefined;
      const before = this.#mapped.get(index);
      if (address === before) continue;
      if (before !== undefined) this.#bus.unmap(before, size, region);
      this.#mapped.delete(index);
      if (address === undefined) continue;
      this.#bus.map(address, size, region);
      this.#mapped.set(index, address);
    }
  }

  #updateInterrupt(): void {
    const status = this.#space.getUint16(0x06, true);
    this.#space.setUint16(0x06, this.#asserted ? status | STATUS.INTX : status & ~STATUS.INTX, true);
    this.#line?.set(this.#asserted && !(this.#command & COMMAND.INTX_DISABLE));
  }

  get #command(): number {
    return this.#space.getUint16(0x04, true);
  }

  #identify(identity: PciIdentity): void {
    const space = this.#space;
    space.setUint16(0x00, identity.vendor, true);
    space.setUint16(0x02, identity.device, true);
    space.setUint32(0x08, identity.classCode * 256 + identity.revision, true);
    space.setUint16(0x2c, identity.subsystemVendor, true);
    space.setUint16(0x2e, identity.subsystem, true);
  }

  #link(capabilities: readonly PciCapability[]): void {
    let at = 0x40;
    let pointer = 0x34;
    for (const { id, bytes, writable, window } of capabilities) {
      this.#space.setUint8(pointer, at);
      this.#space.setUint8(at, id);
      bytes.forEach((byte, i) => this.#space.setUint8(at + 2 + i, byte));
      writable?.forEach((bits, i) => this.#writable.setUint8(at + 2 + i, bits));
      if (window) {
        const capability = new DataView(this.#space.buffer, at + 2, bytes.length);
        this.#windows.push({ at: at + 2 + window.offset, capability, window });
      }
      pointer = at + 1;
      at += (bytes.length + 2 + 3) & ~3;
    }
    if (capabilities.length > 0) this.#space.setUint16(0x06, STATUS.CAPABILITIES, true);
  }
}

function bar(index: number): number {
  return 0x10 + 4 * index;
}
