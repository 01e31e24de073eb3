import { plugVirtio } from "../../../src/machine/virtio-function.ts";
import type { MmioRegion } from "../../../src/machine/mmio.ts";
import { PciFunction, type PciFunctionOptions } from "../../../src/machine/pci-function.ts";
import type { VirtioDevice } from "../../../src/virtio/device.ts";
import { TestLine } from "./line.ts";
import type { FakeMemory } from "./memory.ts";
import { type DriverTransport, type QueueAreas, write64 } from "./transport.ts";

export interface PciOptions {
  /** Drive it with messages. */
  msix?: boolean;
  /** Entries of the table; the device's default unless given. */
  vectors?: number;
  transitional?: boolean;
}

export interface Message {
  address: number;
  data: number;
}

export const NO_VECTOR = 0xffff;
const COMMAND = 0x04;
const PORTS = 1;
const MEMORY = 2;
const BUS_MASTER = 4;
const MSIX = 0x11;
export const ENABLE = 0x8000;
export const FUNCTION_MASK = 0x4000;
const LOCAL_APIC = 0xfee00000;

/** The device does not let the driver do what it wants: an outcome that a driver has to expect. */
export class DriverGivesUp extends Error {}

/** virtio-pci by what its capabilities say (4.1.4). */
export class PciTransport implements DriverTransport {
  readonly line = new TestLine();
  /** The function's configuration space. */
  readonly pciFunction: PciFunction;
  /** What each BAR leads to, by its number. */
  readonly bars: ReadonlyMap<number, MmioRegion>;
  /** The BAR with the structures of 4.1.4. */
  readonly registers: MmioRegion;
  /** Messages that arrived, oldest first. */
  readonly messages: Message[] = [];
  readonly #common: number;
  readonly #isr: number;
  readonly #config: number;
  readonly #notify: number;
  readonly #multiplier: number;
  #mapVectors = false;
  #notifConfigData = false;
  /** Like the ISR status, from the messages that arrived. */
  #events = 0;

  /** Puts `device` on a bus of its own and finds it there. */
  static plug(device: VirtioDevice, memory: FakeMemory, options: PciOptions = {}): PciTransport {
    const transport = new PciTransport(device, memory, options);
    if (options.msix) transport.enableMsix(device.queues.length);
    return transport;
  }

  private constructor(
    device: VirtioDevice,
    memory: FakeMemory,
    { vectors, transitional = false }: PciOptions,
  ) {
    const bus = new OneSlot();
    this.pciFunction = plugVirtio(bus, device, {
      slot: 1,
      memory,
      interrupt: { line: { set: (asserted) => this.line.set(asserted) }, irq: 11 },
      messages: { send: (address, data) => this.#receive(address, data) },
      vectors,
      transitional,
    });
    this.bars = bus.bars;
    this.pciFunction.write(COMMAND, 2, PORTS | MEMORY | BUS_MASTER);
    const structures = new Map(this.capabilities(0x09).map((at) => [this.pciFunction.read(at + 3, 1), at]));
    const offsetOf = (type: number): number => this.pciFunction.read(structures.get(type)! + 8, 4);
    this.registers = this.bars.get(this.pciFunction.read(structures.get(1)! + 4, 1))!;
    this.#common = offsetOf(1);
    this.#notify = offsetOf(2);
    this.#multiplier = this.pciFunction.read(structures.get(2)! + 16, 4);
    this.#isr = offsetOf(3);
    this.#config = offsetOf(4);
  }

  /** Where the capabilities with this ID are in configuration space, in the list's order (PCI 3.0, 6.7). */
  capabilities(id: number): number[] {
    const found: number[] = [];
    for (let at = this.pciFunction.read(0x34, 1); at !== 0; at = this.pciFunction.read(at + 1, 1)) {
      if (this.pciFunction.read(at, 1) === id) found.push(at);
    }
    return found;
  }

  /** The message control register of MSI-X (PCI 3.0, 6.8.2.3). */
  get msixControl(): number {
    return this.pciFunction.read(this.capabilities(MSIX)[0]! + 2, 2);
  }

  set msixControl(value: number) {
    this.pciFunction.write(this.capabilities(MSIX)[0]! + 2, 2, value);
  }

  /** Writes a table entry: vector `n` sends data 0x40 + n, and is masked or not. */
  setMessage(vector: number, masked = false): void {
    const entry = 16 * vector;
    this.table.write(entry, 4, LOCAL_APIC);
    this.table.write(entry + 4, 4, 0);
    this.table.write(entry + 8, 4, 0x40 + vector);
    this.table.write(entry + 12, 4, masked ? 1 : 0);
  }

  /** The BAR with MSI-X table and pending bits. */
  get table(): MmioRegion {
    return this.bars.get(this.pciFunction.read(this.capabilities(MSIX)[0]! + 4, 4) & 7)!;
  }

  /**
   * Switches to messages. The driver then maps the configuration to vector 0 and each queue to the next when it sets it up
   * (see `setQueueSize`), as Linux does; what arrives raises `line` until it is acknowledged.
   */
  enableMsix(queues: number): void {
    this.msixControl = ENABLE | FUNCTION_MASK;
    for (let vector = 0; vector <= queues; vector++) this.setMessage(vector);
    this.msixControl = ENABLE;
    this.#mapVectors = true;
  }

  get status(): number {
    return this.read(0x14, 1);
  }

  set status(value: number) {
    this.write(0x14, 1, value);
    if (this.#mapVectors && value !== 0 && this.read(0x10, 2) === NO_VECTOR) this.#map(0x10, 0);
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
    this.#notifConfigData = (features & (1n << 39n)) !== 0n;
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
    if (this.#mapVectors) this.#map(0x1a, 1 + this.read(0x16, 2));
  }

  /** 4.1.5.1.2.2: maps an event to a vector, and looks whether it is. */
  #map(register: number, vector: number): void {
    this.write(register, 2, vector);
    if (this.read(register, 2) !== vector) throw new DriverGivesUp(`vector ${vector} cannot be used`);
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

  /** 4.1.5.2, with what two features make of it. */
  notify(index: number, next?: number): void {
    this.selectQueue(index);
    const offset = this.read(0x1e, 2) * this.#multiplier;
    const queue = this.#notifConfigData ? this.read(0x38, 2) : index;
    if (next === undefined) this.registers.write(this.#notify + offset, 2, queue);
    else this.registers.write(this.#notify + offset, 4, queue + next * 0x10000);
  }

  acknowledge(): number {
    if (!this.#mapVectors) return this.registers.read(this.#isr, 1);
    const events = this.#events;
    this.#events = 0;
    this.line.set(false);
    return events;
  }

  /** A register of the common configuration structure, 4.1.4.3. */
  read(offset: number, width: number): number {
    return this.registers.read(this.#common + offset, width);
  }

  write(offset: number, width: number, value: number): void {
    this.registers.write(this.#common + offset, width, value);
  }

  #receive(address: number, data: number): void {
    this.messages.push({ address, data });
    if (!this.#mapVectors) return;
    this.#events |= data === 0x40 ? 2 : 1;
    this.line.set(true);
  }

  #twoWords(word: (index: number) => number): bigint {
    return BigInt(word(0)) | (BigInt(word(1)) << 32n);
  }
}

/** A bus with one function, which keeps what is behind its BARs. */
class OneSlot {
  readonly bars = new Map<number, MmioRegion>();
  #next = 0x10000;

  allocate(_space: string, size: number): number {
    this.#next = Math.ceil(this.#next / size) * size + size;
    return this.#next - size;
  }

  add(_slot: number, options: PciFunctionOptions): PciFunction {
    for (const { index, region } of options.bars ?? []) this.bars.set(index, region);
    return new PciFunction(options, { map: () => undefined, unmap: () => undefined });
  }
}
