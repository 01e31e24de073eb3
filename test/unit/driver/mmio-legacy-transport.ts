import { VirtioMmioLegacy } from "../../../src/virtio/transport/mmio-legacy.ts";
import type { VirtioDevice } from "../../../src/virtio/device.ts";
import { TestLine } from "./line.ts";
import type { FakeMemory } from "./memory.ts";
import type { DriverTransport, QueueAreas } from "./transport.ts";

const PAGE = 4096;

/** virtio-mmio, version 1 (virtio 1.3, 4.2.4), as drivers from before virtio 1.0 use it. */
export class LegacyMmioTransport implements DriverTransport {
  readonly legacy = { align: PAGE, sizeFixed: false };
  readonly line = new TestLine();
  readonly registers: VirtioMmioLegacy;
  #queuePage = 0;

  constructor(device: VirtioDevice, memory: FakeMemory) {
    this.registers = new VirtioMmioLegacy(device, this.line);
    device.connect(memory, this.registers);
    for (const offset of [0, 4, 8]) this.registers.read(offset, 4); // what it is
    this.registers.write(0x28, 4, PAGE); // once, before the first reset
  }

  get status(): number {
    return this.registers.read(0x70, 4);
  }

  set status(value: number) {
    this.registers.write(0x70, 4, value);
  }

  /** There is none: what is read twice and is the same counts as one (2.5.4). */
  get generation(): number {
    return 0;
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

  setAreas({ descriptors }: Omit<QueueAreas, "size">): void {
    this.registers.write(0x3c, 4, this.legacy.align);
    this.#queuePage = Number(descriptors) / PAGE;
  }

  enableQueue(): void {
    this.registers.write(0x40, 4, this.#queuePage);
  }

  queueEnabled(): boolean {
    return this.registers.read(0x40, 4) !== 0;
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
