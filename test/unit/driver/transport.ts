import type { VirtioDevice } from "../../../src/virtio/device.ts";
import { VirtioMmio } from "../../../src/virtio/transport/mmio.ts";
import { VirtioPci } from "../../../src/virtio/transport/pci.ts";
import { TestLine } from "./line.ts";
import type { FakeMemory } from "./memory.ts";

export type Kind = "pci" | "mmio";
export const KINDS: readonly Kind[] = ["pci", "mmio"];

export interface QueueAreas {
  size: number;
  descriptors: number | bigint;
  available: number | bigint;
  used: number | bigint;
}

/** The registers that both transports have, under one set of names: what a driver uses. */
export interface DriverTransport {
  readonly line: TestLine;
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
  notify(index: number): void;
  /** What the interrupt was for, acknowledged. */
  acknowledge(): number;
}

/** Puts `device` behind a transport in front of `memory`. */
export function plug(device: VirtioDevice, kind: Kind, memory: FakeMemory): DriverTransport {
  const line = new TestLine();
  const transport = kind === "pci" ? new VirtioPci(device, line) : new VirtioMmio(device, line);
  device.connect(memory, transport);
  return transport instanceof VirtioPci
    ? new PciTransport(transport, line)
    : new MmioTransport(transport, line);
}

/** The same with the registers that only PCI has. @throws TypeError when it is not that. */
export function asPci(transport: DriverTransport): PciTransport {
  if (transport instanceof PciTransport) return transport;
  throw new TypeError("not on PCI");
}

/** The same with the registers that only MMIO has. @throws TypeError when it is not that. */
export function asMmio(transport: DriverTransport): MmioTransport {
  if (transport instanceof MmioTransport) return transport;
  throw new TypeError("not on MMIO");
}

/** virtio-pci by what its capabilities say (4.1.4). */
export class PciTransport implements DriverTransport {
  readonly line: TestLine;
  readonly registers: VirtioPci;
  readonly #common: number;
  readonly #isr: number;
  readonly #config: number;
  readonly #notify: number;
  readonly #multiplier: number;

  constructor(registers: VirtioPci, line: TestLine) {
    this.registers = registers;
    this.line = line;
    const structures = new Map(
      registers.capabilities(0).map(({ bytes }) => {
        const view = new DataView(bytes.buffer);
        const extra = bytes.length >= 18 ? view.getUint32(14, true) : 0;
        return [view.getUint8(1), { offset: view.getUint32(6, true), extra }];
      }),
    );
    this.#common = structures.get(1)!.offset;
    this.#notify = structures.get(2)!.offset;
    this.#multiplier = structures.get(2)!.extra;
    this.#isr = structures.get(3)!.offset;
    this.#config = structures.get(4)!.offset;
  }

  get status(): number {
    return this.read(0x14, 1);
  }

  set status(value: number) {
    this.write(0x14, 1, value);
  }

  get generation(): number {
    return this.read(0x15, 1);
  }

  deviceFeatures(): bigint {
    return this.#twoWords((word) => {
      this.write(0x00, 4, word);
      return this.read(0x04, 4);
    });
  }

  driverFeatures(): bigint {
    return this.#twoWords((word) => {
      this.write(0x08, 4, word);
      return this.read(0x0c, 4);
    });
  }

  acceptFeatures(features: bigint): void {
    for (const word of [0, 1]) {
      this.write(0x08, 4, word);
      this.write(0x0c, 4, Number((features >> BigInt(32 * word)) & 0xffffffffn));
    }
  }

  readConfig(offset: number, width: number): number {
    return this.registers.read(this.#config + offset, width);
  }

  writeConfig(offset: number, width: number, value: number): void {
    this.registers.write(this.#config + offset, width, value);
  }

  selectQueue(index: number): void {
    this.write(0x16, 2, index);
  }

  maximumSize(): number {
    return this.read(0x18, 2);
  }

  setQueueSize(size: number): void {
    this.write(0x18, 2, size);
  }

  setAreas({ descriptors, available, used }: Omit<QueueAreas, "size">): void {
    write64(descriptors, (half, value) => this.write(0x20 + half, 4, value));
    write64(available, (half, value) => this.write(0x28 + half, 4, value));
    write64(used, (half, value) => this.write(0x30 + half, 4, value));
  }

  enableQueue(value = 1): void {
    this.write(0x1c, 2, value);
  }

  queueEnabled(): boolean {
    return this.read(0x1c, 2) === 1;
  }

  notify(index: number): void {
    this.selectQueue(index);
    const offset = this.read(0x1e, 2) * this.#multiplier;
    this.registers.write(this.#notify + offset, 2, index);
  }

  acknowledge(): number {
    return this.registers.read(this.#isr, 1);
  }

  /** A register of the common configuration structure, 4.1.4.3. */
  read(offset: number, width: number): number {
    return this.registers.read(this.#common + offset, width);
  }

  write(offset: number, width: number, value: number): void {
    this.registers.write(this.#common + offset, width, value);
  }

  #twoWords(word: (index: number) => number): bigint {
    return BigInt(word(0)) | (BigInt(word(1)) << 32n);
  }
}

/** virtio-mmio, 4.2.2. */
export class MmioTransport implements DriverTransport {
  readonly line: TestLine;
  readonly registers: VirtioMmio;

  constructor(registers: VirtioMmio, line: TestLine) {
    this.registers = registers;
    this.line = line;
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

  notify(index: number): void {
    this.registers.write(0x50, 4, index);
  }

  acknowledge(): number {
    const events = this.registers.read(0x60, 4);
    this.registers.write(0x64, 4, events);
    return events;
  }
}

function write64(value: number | bigint, write: (offset: number, half: number) => void): void {
  const bits = BigInt(value);
  write(0, Number(bits & 0xffffffffn));
  write(4, Number((bits >> 32n) & 0xffffffffn));
}
