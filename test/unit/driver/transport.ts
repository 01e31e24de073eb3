import type { VirtioDevice } from "../../../src/virtio/device.ts";
import { VirtioMmio } from "../../../src/virtio/transport/mmio.ts";
import { TestLine } from "./line.ts";
import type { FakeMemory } from "./memory.ts";
import { LegacyMmioTransport } from "./mmio-legacy-transport.ts";
import { LegacyPciTransport } from "./pci-legacy-transport.ts";
import { PciTransport } from "./pci-transport.ts";

/**
 * `pci-msix` is the same device as `pci`, driven with messages instead of the interrupt line; `pci-legacy` is a transitional
 * device by its legacy interface.
 */
export type Kind = "pci" | "pci-msix" | "pci-legacy" | "pci-legacy-msix" | "mmio" | "mmio-legacy";
export const KINDS: readonly ("pci" | "mmio")[] = ["pci", "mmio"];

export interface QueueAreas {
  size: number;
  descriptors: number | bigint;
  available: number | bigint;
  used: number | bigint;
}

/** The registers that all transports have, under one set of names: what a driver uses. */
export interface DriverTransport {
  /**
   * A legacy interface (2.2.3, 3.1.2): queues in one piece with the used ring at a multiple of `align` bytes, and perhaps of
   * no other size than the device's.
   */
  readonly legacy?: { align: number; sizeFixed: boolean };
  readonly line: TestLine;
  /** Finds out what the device is, where a driver has to (4.2.3.1.1). */
  identify?(): void;
  status: number;
  readonly generation: number;
  deviceFeatures(): bigint;
  acceptFeatures(features: bigint): void;
  readConfig(offset: number, width: number): number;
  writeConfig(offset: number, width: number, value: number): void;
  selectQueue(index: number): void;
  /** Of the selected queue; 0 when there is none. */
  maximumSize(): number;
  setQueueSize(size: number): void;
  setAreas(areas: Omit<QueueAreas, "size">): void;
  enableQueue(value?: number): void;
  queueEnabled(): boolean;
  /** `next`: what VIRTIO_F_NOTIFICATION_DATA adds (2.9), in its 16 bits. */
  notify(index: number, next?: number): void;
  /** What the interrupt was for, acknowledged. */
  acknowledge(): number;
}

/** Puts `device` behind a transport in front of `memory`. */
export function plug(device: VirtioDevice, kind: Kind, memory: FakeMemory): DriverTransport {
  const msix = kind.endsWith("-msix");
  if (kind.startsWith("pci-legacy")) return new LegacyPciTransport(device, memory, { msix });
  if (kind === "mmio-legacy") return new LegacyMmioTransport(device, memory);
  if (kind !== "mmio") return PciTransport.plug(device, memory, { msix });
  const line = new TestLine();
  const transport = new VirtioMmio(device, line);
  device.connect(memory, transport);
  return new MmioTransport(transport, line);
}

/** The same with the registers that only PCI has. @throws TypeError when it is not that. */
export function asPci(transport: DriverTransport): PciTransport {
  if (transport instanceof PciTransport) return transport;
  throw new TypeError("not on PCI");
}

/** The same by the legacy interface of PCI. @throws TypeError when it is not that. */
export function asLegacyPci(transport: DriverTransport): LegacyPciTransport {
  if (transport instanceof LegacyPciTransport) return transport;
  throw new TypeError("not the legacy interface of PCI");
}

/** The same with the registers that only MMIO has. @throws TypeError when it is not that. */
export function asMmio(transport: DriverTransport): MmioTransport {
  if (transport instanceof MmioTransport) return transport;
  throw new TypeError("not on MMIO");
}

/** The same with the registers of version 1 of virtio-mmio. @throws TypeError when it is not that. */
export function asLegacyMmio(transport: DriverTransport): LegacyMmioTransport {
  if (transport instanceof LegacyMmioTransport) return transport;
  throw new TypeError("not on version 1 of MMIO");
}

/** virtio-mmio, 4.2.2. */
export class MmioTransport implements DriverTransport {
  readonly line: TestLine;
  readonly registers: VirtioMmio;

  constructor(registers: VirtioMmio, line: TestLine) {
    this.registers = registers;
    this.line = line;
  }

  /** MagicValue, Version, DeviceID. */
  identify(): void {
    const [magic, version, type] = [0, 4, 8].map((offset) => this.registers.read(offset, 4));
    if (magic !== 0x74726976 || version !== 2 || type === 0) throw new Error("no virtio-mmio device");
  }

  get status(): number {
    return this.registers.read(0x70, 4);
  }

  set status(value: number) {
    this.registers.write(0x70, 4, value);
  }

  get generation(): number {
    return this.registers.read(0xfc, 4);
  }

  deviceFeatures(): bigint {
    const word = (index: number): bigint => {
      this.registers.write(0x14, 4, index);
      return BigInt(this.registers.read(0x10, 4));
    };
    return word(0) | (word(1) << 32n);
  }

  acceptFeatures(features: bigint): void {
    for (const word of [0, 1]) {
      this.registers.write(0x24, 4, word);
      this.registers.write(0x20, 4, Number((features >> BigInt(32 * word)) & 0xffffffffn));
    }
  }

  readConfig(offset: number, width: number): number {
    return this.registers.read(0x100 + offset, width);
  }

  writeConfig(offset: number, width: number, value: number): void {
    this.registers.write(0x100 + offset, width, value);
  }

  selectQueue(index: number): void {
    this.registers.write(0x30, 4, index);
  }

  maximumSize(): number {
    return this.registers.read(0x34, 4);
  }

  setQueueSize(size: number): void {
    this.registers.write(0x38, 4, size);
  }

  setAreas({ descriptors, available, used }: Omit<QueueAreas, "size">): void {
    write64(descriptors, (half, value) => this.registers.write(0x80 + half, 4, value));
    write64(available, (half, value) => this.registers.write(0x90 + half, 4, value));
    write64(used, (half, value) => this.registers.write(0xa0 + half, 4, value));
  }

  enableQueue(value = 1): void {
    this.registers.write(0x44, 4, value);
  }

  queueEnabled(): boolean {
    return this.registers.read(0x44, 4) === 1;
  }

  notify(index: number, next = 0): void {
    this.registers.write(0x50, 4, index + next * 0x10000);
  }

  acknowledge(): number {
    const events = this.registers.read(0x60, 4);
    this.registers.write(0x64, 4, events);
    return events;
  }
}

/** Writes a 64-bit register by its halves. */
export function write64(value: number | bigint, write: (offset: number, half: number) => void): void {
  const bits = BigInt(value);
  write(0, Number(bits & 0xffffffffn));
  write(4, Number((bits >> 32n) & 0xffffffffn));
}
