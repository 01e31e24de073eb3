import type { Interrupts, VirtioDevice } from "../device.ts";
import { Feature, Interrupt, MMIO_MAGIC, PCI_VENDOR } from "../spec.ts";
import type { RegisterView } from "../view/types.ts";
import type { Register, RegisterFile } from "./registers.ts";
import { TransportState } from "./setup.ts";

/** A level-triggered interrupt line. */
export interface InterruptLine {
  set(asserted: boolean): void;
}

/** Bytes of a virtio-mmio device's registers and configuration space, as announced to the guest. */
export const MMIO_BYTES = 0x200;
/** Where the configuration space begins. */
export const CONFIG = 0x100;

/** What both versions of virtio-mmio have in common (virtio 1.3, 4.2.2 and 4.2.4): dispatch, interrupt status, reset. */
export abstract class MmioRegisters implements Interrupts {
  readonly state: TransportState;
  readonly device: VirtioDevice;
  /** 4.1: only PCI has a register for it. */
  readonly withheld = 1n << Feature.common.NOTIF_CONFIG_DATA;
  readonly #line: InterruptLine;
  #interruptStatus = 0;

  /** The section of the version's registers, for what has no rule of its own. */
  readonly #section: "4.2.2.2" | "4.2.4";

  constructor(device: VirtioDevice, line: InterruptLine, section: "4.2.2.2" | "4.2.4") {
    this.device = device;
    this.#section = section;
    this.state = new TransportState(device, `${section} queue`);
    this.#line = line;
  }

  /** The registers below the configuration space. */
  protected abstract get registers(): RegisterFile<this>;

  /** Whether a driver may read or write so much of the configuration space at once. */
  protected abstract mayAccessConfig(offset: number, width: number, write: boolean): boolean;

  /** A read of 1, 2 or 4 bytes. One that the driver must not make is reported and gets what is there. */
  read(offset: number, width: number): number {
    let value: number;
    if (offset >= CONFIG) {
      this.#checkConfig(offset - CONFIG, width, false);
      value = this.device.config.read(offset - CONFIG, width);
    } else {
      const complaint = this.registers.readFault(offset, width);
      if (complaint) this.device.violation(`${this.#section} ${complaint.fault}`, complaint.what);
      value = this.registers.read(this, offset, width);
    }
    this.#observe(offset, width, false, value);
    return value;
  }

  /** A write of 1, 2 or 4 bytes. One that the driver must not make is reported and changes nothing. */
  write(offset: number, width: number, value: number): void {
    this.#observe(offset, width, true, value);
    if (offset >= CONFIG) {
      this.#checkConfig(offset - CONFIG, width, true);
      this.device.writeConfig(offset - CONFIG, width, value);
      return;
    }
    const complaint = this.registers.write(this, offset, width, value);
    if (complaint) this.device.violation(`${this.#section} ${complaint.fault}`, complaint.what);
  }

  queue(): void {
    this.#interrupt(Interrupt.QUEUE);
  }

  config(): void {
    this.#interrupt(Interrupt.CONFIG);
  }

  look(): RegisterView[] {
    return this.registers.look(this);
  }

  get interruptStatus(): number {
    return this.#interruptStatus;
  }

  acknowledge(bits: number): void {
    const undefinedBits = bits & ~(Interrupt.QUEUE | Interrupt.CONFIG);
    if (undefinedBits) {
      this.device.violation(
        `${this.#section} acknowledge`,
        `InterruptACK with undefined bits: 0x${(bits >>> 0).toString(16)}`,
      );
    }
    this.#interruptStatus &= ~bits;
    this.device.observer?.({ type: "acknowledge", device: this.device.name, isr: bits });
    if (this.#interruptStatus === 0) this.#line.set(false);
  }

  writeStatus(value: number): void {
    this.device.writeStatus(value);
    if (value !== 0) return;
    this.resetState();
    this.#interruptStatus = 0;
    this.#line.set(false);
  }

  /** 2.9: with VIRTIO_F_NOTIFICATION_DATA the index is in the low half, what the driver has made available in the high one. */
  notify(value: number): void {
    if (this.device.notificationData) this.device.kick(value & 0xffff, value >>> 16);
    else this.device.kick(value);
  }

  /** The driver reset the device: the registers are as at power-on. */
  protected resetState(): void {
    this.state.reset();
  }

  #interrupt(bit: number): void {
    this.#interruptStatus |= bit;
    this.#line.set(true);
  }

  #checkConfig(offset: number, width: number, write: boolean): void {
    if (this.mayAccessConfig(offset, width, write)) return;
    const name = this.device.config.nameAt(offset);
    this.device.violation(
      `${this.#section} config`,
      `an access of ${width} bytes at ${offset} of the configuration: ${name}`,
    );
  }

  #observe(offset: number, width: number, write: boolean, value: number): void {
    this.device.accesses++;
    const { observer, name, config } = this.device;
    if (!observer) return;
    const register =
      offset >= CONFIG
        ? `config.${config.nameAt(offset - CONFIG)}`
        : (this.registers.at(offset)?.name ?? "reserved");
    observer({ type: "access", device: name, register, offset, width, write, value });
  }
}

/** What the registers below need of a transport. */
type Target = Pick<
  MmioRegisters,
  "device" | "state" | "interruptStatus" | "acknowledge" | "writeStatus" | "notify"
>;

/** The registers that both versions have; the feature registers have other names in each. */
export function commonRegisters(
  version: number,
  names: { offered: string; accepted: string; sizeMax: string; size: string },
): Register<Target>[] {
  return [
    { name: "MagicValue", offset: 0x00, width: 4, read: () => MMIO_MAGIC },
    { name: "Version", offset: 0x04, width: 4, read: () => version },
    { name: "DeviceID", offset: 0x08, width: 4, read: (t) => t.device.type },
    { name: "VendorID", offset: 0x0c, width: 4, read: () => PCI_VENDOR },
    { name: names.offered, offset: 0x10, width: 4, read: (t) => t.state.deviceFeatures },
    {
      name: `${names.offered}Sel`,
      offset: 0x14,
      width: 4,
      write: (t, value) => (t.state.deviceFeatureSelect = value),
    },
    {
      name: names.accepted,
      offset: 0x20,
      width: 4,
      write: (t, value) => t.device.writeFeatures(t.state.driverFeatureSelect, value),
    },
    {
      name: `${names.accepted}Sel`,
      offset: 0x24,
      width: 4,
      write: (t, value) => (t.state.driverFeatureSelect = value),
    },
    { name: "QueueSel", offset: 0x30, width: 4, write: (t, value) => (t.state.queueSelect = value) },
    { name: names.sizeMax, offset: 0x34, width: 4, read: (t) => t.state.queue?.maximumSize ?? 0 },
    { name: names.size, offset: 0x38, width: 4, write: (t, value) => t.state.setQueueSize(value) },
    { name: "QueueNotify", offset: 0x50, width: 4, write: (t, value) => t.notify(value) },
    { name: "InterruptStatus", offset: 0x60, width: 4, read: (t) => t.interruptStatus },
    { name: "InterruptACK", offset: 0x64, width: 4, write: (t, value) => t.acknowledge(value) },
    {
      name: "Status",
      offset: 0x70,
      width: 4,
      read: (t) => t.device.status,
      write: (t, value) => t.writeStatus(value),
    },
  ];
}
