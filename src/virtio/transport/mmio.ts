import type { Interrupts, VirtioDevice } from "../device.ts";
import { Interrupt, MMIO_MAGIC, MMIO_VERSION, PCI_VENDOR } from "../spec.ts";
import { type Register, RegisterFile } from "./registers.ts";
import { half, TransportState, withHalf } from "./setup.ts";

/** A level-triggered interrupt line. */
export interface InterruptLine {
  set(asserted: boolean): void;
}

/** Bytes of a virtio-mmio device's registers and configuration space, as announced to the guest. */
export const MMIO_BYTES = 0x200;
const CONFIG = 0x100;

/** The virtio-mmio transport, version 2 (virtio 1.3, 4.2). */
export class VirtioMmio implements Interrupts {
  readonly state: TransportState;
  readonly device: VirtioDevice;
  readonly #line: InterruptLine;
  #interruptStatus = 0;

  constructor(device: VirtioDevice, line: InterruptLine) {
    this.device = device;
    this.state = new TransportState(device);
    this.#line = line;
  }

  read(offset: number, width: number): number {
    const value =
      offset >= CONFIG
        ? this.device.config.read(offset - CONFIG, width)
        : registers.read(this, offset, width);
    this.#observe(offset, width, false, value);
    return value;
  }

  write(offset: number, width: number, value: number): void {
    this.#observe(offset, width, true, value);
    if (offset >= CONFIG) {
      this.device.writeConfig(offset - CONFIG, width, value);
      return;
    }
    const complaint = registers.write(this, offset, width, value);
    if (complaint) this.device.violation("4.2.2.2", complaint);
  }

  queue(): void {
    this.#interrupt(Interrupt.QUEUE);
  }

  config(): void {
    this.#interrupt(Interrupt.CONFIG);
  }

  get interruptStatus(): number {
    return this.#interruptStatus;
  }

  acknowledge(bits: number): void {
    this.#interruptStatus &= ~bits;
    this.device.observer?.({ type: "acknowledge", device: this.device.name, isr: bits });
    if (this.#interruptStatus === 0) this.#line.set(false);
  }

  writeStatus(value: number): void {
    this.device.writeStatus(value);
    if (value !== 0) return;
    this.state.reset();
    this.#interruptStatus = 0;
    this.#line.set(false);
  }

  #interrupt(bit: number): void {
    this.#interruptStatus |= bit;
    this.#line.set(true);
  }

  #observe(offset: number, width: number, write: boolean, value: number): void {
    this.device.accesses++;
    const { observer, name, config } = this.device;
    if (!observer) return;
    const register =
      offset >= CONFIG
        ? `config.${config.nameAt(offset - CONFIG)}`
        : (registers.at(offset)?.name ?? "reserved");
    observer({ type: "access", device: name, register, offset, width, write, value });
  }
}

/** 4.2.2, table "MMIO Device Register Layout". */
const table: Register<VirtioMmio>[] = [
  { name: "MagicValue", offset: 0x00, width: 4, read: () => MMIO_MAGIC },
  { name: "Version", offset: 0x04, width: 4, read: () => MMIO_VERSION },
  { name: "DeviceID", offset: 0x08, width: 4, read: (t) => t.device.type },
  { name: "VendorID", offset: 0x0c, width: 4, read: () => PCI_VENDOR },
  { name: "DeviceFeatures", offset: 0x10, width: 4, read: (t) => t.state.deviceFeatures },
  {
    name: "DeviceFeaturesSel",
    offset: 0x14,
    width: 4,
    write: (t, value) => (t.state.deviceFeatureSelect = value),
  },
  {
    name: "DriverFeatures",
    offset: 0x20,
    width: 4,
    write: (t, value) => t.device.writeFeatures(t.state.driverFeatureSelect, value),
  },
  {
    name: "DriverFeaturesSel",
    offset: 0x24,
    width: 4,
    write: (t, value) => (t.state.driverFeatureSelect = value),
  },
  { name: "QueueSel", offset: 0x30, width: 4, write: (t, value) => (t.state.queueSelect = value) },
  { name: "QueueSizeMax", offset: 0x34, width: 4, read: (t) => t.state.queue?.maximumSize ?? 0 },
  { name: "QueueSize", offset: 0x38, width: 4, write: (t, value) => t.state.setQueueSize(value) },
  {
    name: "QueueReady",
    offset: 0x44,
    width: 4,
    read: (t) => (t.state.queue?.enabled ? 1 : 0),
    write: (t, value) => {
      if (value === 1) t.state.enableQueue();
      else if (value === 0)
        t.state.queue?.reset(); // 4.2.2.2: the driver takes the queue away
      else t.device.violation("4.2.2", `${value} written to QueueReady`);
    },
  },
  { name: "QueueNotify", offset: 0x50, width: 4, write: (t, value) => t.device.kick(value) },
  { name: "InterruptStatus", offset: 0x60, width: 4, read: (t) => t.interruptStatus },
  { name: "InterruptACK", offset: 0x64, width: 4, write: (t, value) => t.acknowledge(value) },
  {
    name: "Status",
    offset: 0x70,
    width: 4,
    read: (t) => t.device.status,
    write: (t, value) => t.writeStatus(value),
  },
  ...address("QueueDesc", 0x80, "descriptors"),
  ...address("QueueDriver", 0x90, "available"),
  ...address("QueueDevice", 0xa0, "used"),
  // 4.2.2: a shared memory region that does not exist has length and base -1.
  { name: "SHMSel", offset: 0xac, width: 4, write: () => undefined },
  { name: "SHMLenLow", offset: 0xb0, width: 4, read: () => -1 },
  { name: "SHMLenHigh", offset: 0xb4, width: 4, read: () => -1 },
  { name: "SHMBaseLow", offset: 0xb8, width: 4, read: () => -1 },
  { name: "SHMBaseHigh", offset: 0xbc, width: 4, read: () => -1 },
  { name: "ConfigGeneration", offset: 0xfc, width: 4, read: (t) => t.device.generation },
];

function address(
  name: string,
  offset: number,
  field: "descriptors" | "available" | "used",
): Register<VirtioMmio>[] {
  return [false, true].map((high) => ({
    name: `${name}${high ? "High" : "Low"}`,
    offset: offset + (high ? 4 : 0),
    width: 4,
    read: (t) => half(t.state.queue?.[field] ?? 0n, high),
    write: (t, value) =>
      t.state.configureQueue((queue) => (queue[field] = withHalf(queue[field], high, value))),
  }));
}

const registers = new RegisterFile(table, CONFIG);
