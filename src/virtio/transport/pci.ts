import type { Interrupts, VirtioDevice } from "../device.ts";
import {
  Feature,
  Interrupt,
  PCI_DEVICE_BASE,
  PCI_TRANSITIONAL_DEVICES,
  PCI_VENDOR,
  PciCap,
} from "../spec.ts";
import type { Rule } from "../strict/sentences.ts";
import type { RegisterView } from "../view/types.ts";
import type { InterruptLine } from "./mmio.ts";
import {
  accessCapability,
  type Structure,
  structureCapability,
  type VendorCapability,
} from "./pci-capabilities.ts";
import { COMMON_BYTES, commonRegisters, type CommonTarget, notifyConfigData } from "./pci-common.ts";
import { type MessageVectors, VectorMap } from "./pci-vectors.ts";
import type { AccessFault } from "./registers.ts";
import { TransportState } from "./setup.ts";

/** Where the structures of 4.1.4 lie in the one memory BAR. */
const COMMON = { offset: 0x0000, length: COMMON_BYTES };
const ISR = { offset: 0x0100, length: 0x04 };
const CONFIG = { offset: 0x0200, length: 0x0200 };
const NOTIFY = { offset: 0x1000, multiplier: 4 };
/** device_status, which resets the device through either interface. */
const STATUS = 0x14;

/** What a write to the common configuration that fits no register breaks. */
const WRITE_RULES: Readonly<Record<AccessFault["fault"], Rule>> = {
  described: "4.1.4 structure",
  width: "4.1.3.1 write",
  readOnly: "4.1.4.3.2 readOnly",
  writeOnly: "4.1.3.1 write",
};

export interface PciTransportOptions {
  /** The function's MSI-X, if it has any. */
  messages?: MessageVectors;
  /** The function also has a legacy interface (./pci-legacy.ts), and says so by its identity (4.1.2.3). */
  transitional?: boolean;
}

/** The virtio-pci transport (virtio 1.3, 4.1): the modern interface, and the interrupts of both. */
export class VirtioPci implements Interrupts, CommonTarget {
  /** Bytes of the memory BAR. */
  static readonly barSize = 0x2000;

  readonly state: TransportState;
  readonly device: VirtioDevice;
  readonly vectors: VectorMap;
  readonly #line: InterruptLine;
  readonly #transitional: boolean;
  /** Of a transitional device. */
  legacyInterface: { look(): RegisterView[] } | undefined;
  #isr = 0;

  constructor(device: VirtioDevice, line: InterruptLine, options: PciTransportOptions = {}) {
    this.device = device;
    this.state = new TransportState(device);
    this.vectors = new VectorMap(device.queues.length, options.messages);
    this.#line = line;
    this.#transitional = options.transitional ?? false;
  }

  /** Identity in PCI configuration space (4.1.2). @throws RangeError when legacy drivers know no device of this type. */
  get identity(): {
    vendor: number;
    device: number;
    subsystemVendor: number;
    subsystem: number;
    classCode: number;
    revision: number;
  } {
    const { type, kind } = this.device;
    const common = {
      vendor: PCI_VENDOR,
      subsystemVendor: PCI_VENDOR,
      classCode: { network: 0x020000, block: 0x010000, console: 0x078000, entropy: 0x00ff00 }[kind],
    };
    if (!this.#transitional) {
      return { ...common, device: PCI_DEVICE_BASE + type, subsystem: 0x40 + type, revision: 1 }; // 4.1.2.1
    }
    const device = PCI_TRANSITIONAL_DEVICES[type];
    if (device === undefined) throw new RangeError(`There is no transitional device of type ${type}.`);
    return { ...common, device, subsystem: type, revision: 0 }; // 4.1.2.3
  }

  /** The capabilities that say where the structures are (4.1.4), for BAR `bar`. */
  capabilities(bar: number): VendorCapability[] {
    const notify = { offset: NOTIFY.offset, length: NOTIFY.multiplier * this.device.queues.length };
    const structures: Structure[] = [COMMON, ISR, CONFIG, notify];
    const readOnly = [
      structureCapability(PciCap.COMMON, bar, COMMON),
      structureCapability(PciCap.ISR, bar, ISR),
      structureCapability(PciCap.DEVICE, bar, CONFIG),
      structureCapability(PciCap.NOTIFY, bar, notify, NOTIFY.multiplier),
    ];
    const onRefused = (): void => this.device.violation("4.1.4.1 capability", "a capability was written");
    return [
      ...readOnly.map((capability) => ({ ...capability, onRefused })),
      accessCapability({
        bar,
        structures,
        read: (offset, width) => this.read(offset, width),
        write: (offset, width, value) => this.write(offset, width, value),
        misaimed: (offset, length) =>
          this.device.violation(
            "4.1.4.9.2 data",
            `pci_cfg_data written, which stands for ${length} bytes at 0x${offset.toString(16)}`,
          ),
      }),
    ];
  }

  /** A read of 1, 2 or 4 bytes from the BAR. */
  read(offset: number, width: number): number {
    let value = 0;
    if (offset < COMMON.length) {
      this.enter(false);
      value = commonRegisters.read(this, offset, width);
    } else if (offset === ISR.offset) value = this.readIsr();
    else if (offset >= CONFIG.offset && offset < CONFIG.offset + CONFIG.length) {
      value = this.device.config.read(offset - CONFIG.offset, width);
    }
    this.observe(this.#nameAt, offset, width, false, value);
    return value;
  }

  /** A write of 1, 2 or 4 bytes to the BAR. */
  write(offset: number, width: number, value: number): void {
    this.observe(this.#nameAt, offset, width, true, value);
    if (offset >= NOTIFY.offset) this.#ring(offset - NOTIFY.offset, width, value);
    else if (offset < COMMON.length) {
      if (!this.enter(false) && offset !== STATUS) this.wrongInterface(false);
      else {
        const complaint = commonRegisters.write(this, offset, width, value);
        if (complaint) this.device.violation(WRITE_RULES[complaint.fault], complaint.what);
      }
    } else if (offset >= CONFIG.offset && offset < CONFIG.offset + CONFIG.length) {
      this.device.writeConfig(offset - CONFIG.offset, width, value);
    } else {
      this.device.violation(
        "4.1.4 structure",
        `a write at offset 0x${offset.toString(16)}, where there is no structure`,
      );
    }
  }

  /**
   * An access through the legacy interface, or the modern one. The one through which a driver finds the device in reset is
   * the one that drives it until the next reset; false when this is the other.
   */
  enter(legacy: boolean): boolean {
    if (this.device.legacy === legacy) return true;
    if (this.device.status !== 0) return false;
    this.device.setLegacy(legacy);
    return true;
  }

  queue(index: number): void {
    // 4.1.5.3: with messages the ISR status has no part in it.
    if (this.vectors.enabled) this.vectors.signal(index);
    else this.#interrupt(Interrupt.QUEUE);
  }

  config(): void {
    // 4.1.4.5.1: the ISR status shows it either way; while messages are enabled the function keeps its line low.
    this.#interrupt(Interrupt.CONFIG);
    if (this.vectors.enabled) this.vectors.signal(this.vectors.configEvent);
  }

  writeStatus(value: number): void {
    this.device.writeStatus(value);
    if (value !== 0) return;
    this.state.reset();
    this.vectors.reset();
    this.#isr = 0;
    this.#line.set(false);
  }

  /** The ISR status, without the effect of reading it. */
  get isr(): number {
    return this.#isr;
  }

  look(): RegisterView[] {
    return [
      ...commonRegisters.look(this),
      { name: "isr_status", offset: 0, width: 1, value: this.#isr },
      ...(this.legacyInterface?.look() ?? []),
    ];
  }

  /** 4.1.4.5.1: reading clears the status and deasserts the line. */
  readIsr(): number {
    const isr = this.#isr;
    if (isr !== 0) {
      this.#isr = 0;
      this.#line.set(false);
      this.device.observer?.({ type: "acknowledge", device: this.device.name, isr });
    }
    return isr;
  }

  /** Counts an access to any region of the function, and tells an observer of it. */
  observe(
    nameAt: (offset: number) => string,
    offset: number,
    width: number,
    write: boolean,
    value: number,
  ): void {
    this.device.accesses++;
    const { observer, name } = this.device;
    if (observer)
      observer({ type: "access", device: name, register: nameAt(offset), offset, width, write, value });
  }

  /** A driver uses both interfaces of a transitional device at once. */
  wrongInterface(legacy: boolean): void {
    const [used, other] = legacy ? ["legacy", "modern"] : ["modern", "legacy"];
    this.device.violation(
      "4.1.4.10 interface",
      `a write to the ${used} interface while the ${other} one drives the device`,
    );
  }

  /** 4.1.5.2: a notification at the queue's own address; what is written there depends on two features. */
  #ring(offset: number, width: number, value: number): void {
    const { device } = this;
    const queue = Math.floor(offset / NOTIFY.multiplier);
    const withData = device.notificationData;
    const fits = width === (withData ? 4 : 2) && offset % NOTIFY.multiplier === 0;
    const expected = device.has(Feature.common.NOTIF_CONFIG_DATA) ? notifyConfigData(queue) : queue;
    if (!fits) {
      device.violation(
        "4.1.5.2.1 width",
        `${width} bytes written at ${offset} of the notification structure`,
      );
    } else if ((value & 0xffff) !== expected) {
      device.violation("4.1.5.2.1 value", `the doorbell of queue ${queue} was rung with ${value & 0xffff}`);
    }
    // Whatever was written: to look for work when there is none does no harm (2.7.10.2).
    device.kick(queue, withData && fits ? value >>> 16 : undefined);
  }

  #interrupt(bit: number): void {
    this.#isr |= bit;
    this.#line.set(true);
  }

  readonly #nameAt = (offset: number): string => {
    if (offset < COMMON.length) return commonRegisters.at(offset)?.name ?? "reserved";
    if (offset >= NOTIFY.offset) return "queue_notify";
    if (offset === ISR.offset) return "isr_status";
    return `config.${this.device.config.nameAt(offset - CONFIG.offset)}`;
  };
}
