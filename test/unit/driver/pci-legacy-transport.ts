import type { VirtioDevice } from "../../../src/virtio/device.ts";
import type { MmioRegion } from "../../../src/machine/mmio.ts";
import type { TestLine } from "./line.ts";
import type { FakeMemory } from "./memory.ts";
import { DriverGivesUp, NO_VECTOR, PciTransport } from "./pci-transport.ts";
import type { DriverTransport, QueueAreas } from "./transport.ts";

const CONFIG_VECTOR = 20;
const QUEUE_VECTOR = 22;

/** The legacy interface of a transitional virtio-pci device (virtio 1.3, 4.1.4.10), as drivers from before 1.0 use it. */
export class LegacyPciTransport implements DriverTransport {
  /** 4.1.5.1.3.1: queues lie in one piece, the used ring at a multiple of this; their size is the device's. */
  readonly legacy = { align: 4096, sizeFixed: true };
  readonly line: TestLine;
  /** The function, by which the modern interface can be reached, too. */
  readonly pci: PciTransport;
  /** BAR 0, in I/O space. */
  readonly ports: MmioRegion;
  readonly #messages: boolean;
  #queueAddress = 0;

  constructor(device: VirtioDevice, memory: FakeMemory, { msix = false } = {}) {
    this.pci = PciTransport.plug(device, memory, { transitional: true, msix });
    this.#messages = msix;
    this.line = this.pci.line;
    this.ports = this.pci.bars.get(0)!;
  }

  get status(): number {
    return this.ports.read(18, 1);
  }

  set status(value: number) {
    this.ports.write(18, 1, value);
    if (this.#messages && value !== 0 && this.ports.read(CONFIG_VECTOR, 2) === NO_VECTOR) {
      this.#map(CONFIG_VECTOR, 0);
    }
  }

  /** There is none: what is read twice and is the same counts as one (2.5.4). */
  get generation(): number {
    return 0;
  }

  deviceFeatures(): bigint {
    return BigInt(this.ports.read(0, 4));
  }

  acceptFeatures(features: bigint): void {
    this.ports.write(4, 4, Number(features & 0xffffffffn));
  }

  readConfig(offset: number, width: number): number {
    return this.ports.read(this.#config + offset, width);
  }

  writeConfig(offset: number, width: number, value: number): void {
    this.ports.write(this.#config + offset, width, value);
  }

  selectQueue(index: number): void {
    this.ports.write(14, 2, index);
  }

  maximumSize(): number {
    return this.ports.read(12, 2);
  }

  /** Only maps the queue's vector: "there was no mechanism to negotiate the queue size". @throws RangeError for another size. */
  setQueueSize(size: number): void {
    if (size !== this.maximumSize()) throw new RangeError("a legacy driver cannot choose a queue's size");
    if (this.#messages) this.#map(QUEUE_VECTOR, 1 + this.ports.read(14, 2));
  }

  /** 4.1.5.1.2.2: maps an event to a vector, and looks whether it is. */
  #map(register: number, vector: number): void {
    this.ports.write(register, 2, vector);
    if (this.ports.read(register, 2) !== vector) throw new DriverGivesUp(`vector ${vector} cannot be used`);
  }

  setAreas({ descriptors }: Omit<QueueAreas, "size">): void {
    this.#queueAddress = Number(descriptors);
  }

  enableQueue(): void {
    this.ports.write(8, 4, this.#queueAddress / this.legacy.align);
  }

  queueEnabled(): boolean {
    return this.ports.read(8, 4) !== 0;
  }

  notify(index: number): void {
    this.ports.write(16, 2, index);
  }

  acknowledge(): number {
    return this.#messages ? this.pci.acknowledge() : this.ports.read(19, 1);
  }

  /** Where the device's configuration starts: behind the vectors, which are there only while MSI-X is enabled. */
  get #config(): number {
    return this.pci.msixControl & 0x8000 ? 24 : 20;
  }
}
