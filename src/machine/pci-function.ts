import type { InterruptLine } from "../virtio/transport/mmio.ts";
import type { VendorCapability } from "../virtio/transport/pci-capabilities.ts";
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
  bars?: readonly Bar[];
  /** Capabilities in order. */
  capabilities?: readonly PciCapability[];
  /** While these are enabled, INTA# is quiet (6.8.3.3). */
  messages?: { readonly enabled: boolean };
  /** The wire of pin INTA#, and what firmware writes into the interrupt line register. */
  interrupt?: { line: InterruptLine; irq: number };
}

/**
 * A BAR of 32 bits. `size` is a power of two: from 4 KiB to 64 KiB of memory, or up to 256 I/O ports. `address` is where
 * firmware put it.
 */
export interface Bar {
  index: number;
  space: BarSpace;
  size: number;
  address: number;
  region: MmioRegion;
}

export type BarSpace = "memory" | "ports";

export type PciCapability = VendorCapability & {
  id: number;
  /** Told after a write to it; gets its bytes. */
  onWrite?: (capability: DataView) => void;
};

/** Where BARs are mapped while the function decodes them. */
export interface BarBus {
  map(space: BarSpace, start: number, size: number, region: MmioRegion): void;
  unmap(space: BarSpace, start: number, size: number, region: MmioRegion): void;
}

const COMMAND = { PORTS: 1 << 0, MEMORY: 1 << 1, MASTER: 1 << 2, INTX_DISABLE: 1 << 10 } as const;
/** Bit 0 of a BAR that stands for I/O ports (6.2.5.1). */
const PORTS_BAR = 1;
const STATUS = { INTX: 1 << 3, CAPABILITIES: 1 << 4 } as const;

/**
 * The 256 bytes of configuration space of one PCI function (PCI Local Bus 3.0, 6): which bits can be written is a mask
 * beside them, so that sizing a BAR and keeping read-only fields is one operation.
 */
export class PciFunction {
  readonly #space = new DataView(new ArrayBuffer(256));
  readonly #writable = new DataView(new ArrayBuffer(256));
  readonly #bus: BarBus;
  readonly #bars: readonly Bar[];
  readonly #mapped = new Map<number, number>();
  readonly #line: InterruptLine | undefined;
  readonly #messages: PciFunctionOptions["messages"];
  readonly #windows: { at: number; capability: DataView; window: NonNullable<PciCapability["window"]> }[] =
    [];
  readonly #listeners: { at: number; capability: DataView; onWrite: (capability: DataView) => void }[] = [];
  /** Capabilities that must not be written, from the byte with their ID on. */
  readonly #guarded: { at: number; bytes: number; onRefused: () => void }[] = [];
  #asserted = false;

  constructor(options: PciFunctionOptions, bus: BarBus) {
    this.#bus = bus;
    this.#bars = options.bars ?? [];
    this.#line = options.interrupt?.line;
    this.#messages = options.messages;
    this.#identify(options.identity);
    let decodable: number = COMMAND.MEMORY;
    for (const { index, space, size, address } of this.#bars) {
      this.#space.setUint32(bar(index), address | (space === "ports" ? PORTS_BAR : 0), true);
      this.#writable.setUint32(bar(index), -size >>> 0, true);
      decodable |= decodeBit(space);
    }
    this.#writable.setUint16(0x04, decodable | COMMAND.MASTER | COMMAND.INTX_DISABLE, true);
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
    if (offset < 0x08) this.onCommand?.();
    if (offset < 0x28) this.#decode();
    for (const { at, capability, onWrite } of this.#listeners) {
      if (offset < at + capability.byteLength && offset + width > at) onWrite(capability);
    }
    for (const { at, bytes, onRefused } of this.#guarded) {
      if (offset < at + bytes && offset + width > at) onRefused();
    }
    this.#updateInterrupt();
    for (const { at, capability, window } of this.#windows) {
      if (offset < at + 4 && offset + width > at) window.write(capability, this.#space.getUint32(at, true));
    }
  }

  /** Takes the function off its bus: no BAR answers any more, INTA# is low. Returns its BARs. */
  unplug(): readonly Bar[] {
    this.onCommand = undefined;
    this.#space.setUint16(0x04, COMMAND.INTX_DISABLE, true);
    this.#decode();
    this.#updateInterrupt();
    return this.#bars;
  }

  /** Maps each BAR where its register says while its space is decoded (6.2.5), and takes it away otherwise. */
  #decode(): void {
    for (const { index, space, size, region } of this.#bars) {
      const decoded = (this.#command & decodeBit(space)) !== 0;
      const address = decoded ? (this.#space.getUint32(bar(index), true) & -size) >>> 0 : undefined;
      const before = this.#mapped.get(index);
      if (address === before) continue;
      if (before !== undefined) this.#bus.unmap(space, before, size, region);
      this.#mapped.delete(index);
      if (address === undefined) continue;
      this.#bus.map(space, address, size, region);
      this.#mapped.set(index, address);
    }
  }

  #updateInterrupt(): void {
    const asserted = this.#asserted && this.#messages?.enabled !== true;
    const status = this.#space.getUint16(0x06, true);
    this.#space.setUint16(0x06, asserted ? status | STATUS.INTX : status & ~STATUS.INTX, true);
    this.#line?.set(asserted && !(this.#command & COMMAND.INTX_DISABLE));
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
    for (const { id, bytes, writable, window, onWrite, onRefused } of capabilities) {
      this.#space.setUint8(pointer, at);
      this.#space.setUint8(at, id);
      bytes.forEach((byte, i) => this.#space.setUint8(at + 2 + i, byte));
      writable?.forEach((bits, i) => this.#writable.setUint8(at + 2 + i, bits));
      const capability = new DataView(this.#space.buffer, at + 2, bytes.length);
      if (window) this.#windows.push({ at: at + 2 + window.offset, capability, window });
      if (onWrite) this.#listeners.push({ at: at + 2, capability, onWrite });
      if (onRefused) this.#guarded.push({ at, bytes: bytes.length + 2, onRefused });
      pointer = at + 1;
      at += (bytes.length + 2 + 3) & ~3;
    }
    if (capabilities.length > 0) this.#space.setUint16(0x06, STATUS.CAPABILITIES, true);
  }
}

function bar(index: number): number {
  return 0x10 + 4 * index;
}

function decodeBit(space: BarSpace): number {
  return space === "ports" ? COMMAND.PORTS : COMMAND.MEMORY;
}
