import type { Interrupts, VirtioDevice } from "../device.ts";
import { Interrupt, NO_VECTOR, PCI_DEVICE_BASE, PCI_VENDOR, PciCap } from "../spec.ts";
import type { InterruptLine } from "./mmio.ts";
import { type Register, RegisterFile } from "./registers.ts";
import { half, TransportState, withHalf } from "./setup.ts";

/** Where the structures of 4.1.4 lie in the one memory BAR. */
const COMMON = { offset: 0x0000, length: 0x40 };
const ISR = { offset: 0x0100, length: 0x04 };
const CONFIG = { offset: 0x0200, length: 0x0200 };
const NOTIFY = { offset: 0x1000, multiplier: 4 };

/** A vendor-specific capability of a PCI function. */
export interface VendorCapability {
  /** What follows the ID and the pointer to the next one. */
  bytes: Uint8Array;
  /** The bits of `bytes` that the driver may write; none unless given. */
  writable?: Uint8Array;
  /** Four bytes at `offset` in `bytes` that stand for something else; both calls get the capability as it is now. */
  window?: {
    offset: number;
    read(capability: DataView): number;
    write(capability: DataView, value: number): void;
  };
}

/** The virtio-pci transport of a modern device (virtio 1.3, 4.1). */
export class VirtioPci implements Interrupts {
  /** Bytes of the memory BAR. */
  static readonly barSize = 0x2000;

  readonly state: TransportState;
  readonly device: VirtioDevice;
  readonly #line: InterruptLine;
  #isr = 0;

  constructor(device: VirtioDevice, line: InterruptLine) {
    this.device = device;
    this.state = new TransportState(device);
    this.#line = line;
  }

  /** Identity in PCI configuration space (4.1.2). */
  get identity(): {
    vendor: number;
    device: number;
    subsystemVendor: number;
    subsystem: number;
    classCode: number;
    revision: number;
  } {
    const { type } = this.device;
    return {
      vendor: PCI_VENDOR,
      device: PCI_DEVICE_BASE + type,
      subsystemVendor: PCI_VENDOR,
      subsystem: 0x40 + type, // 4.1.2.1: 0x40 or higher
      classCode: { block: 0x010000, console: 0x078000, entropy: 0x00ff00 }[this.device.kind],
      revision: 1,
    };
  }

  /** The capabilities that say where the structures are (4.1.4), for BAR `bar`. */
  capabilities(bar: number): VendorCapability[] {
    return [
      { bytes: capability(PciCap.COMMON, bar, COMMON) },
      { bytes: capability(PciCap.ISR, bar, ISR) },
      { bytes: capability(PciCap.DEVICE, bar, CONFIG) },
      { bytes: capability(PciCap.NOTIFY, bar, this.#notify, NOTIFY.multiplier) },
      this.#configurationAccess(bar),
    ];
  }

  /** 4.1.4.9: every structure also through configuration space, for a driver that cannot map the BAR yet. */
  #configurationAccess(bar: number): VendorCapability {
    const writable = new Uint8Array(18).fill(0xff);
    writable.fill(0, 0, 2).fill(0, 3, 6); // cap_len, cfg_type; id and padding
    return {
      bytes: capability(PciCap.PCI, bar, { offset: 0, length: 0 }, 0),
      writable,
      window: {
        offset: 14, // pci_cfg_data
        // Silent where it stands for nothing: lspci -xxx reads all of configuration space.
        read: (view) => (this.#standsForRegisters(view, bar) ? this.read(...aim(view)) : 0),
        write: (view, value) => {
          const [offset, length] = aim(view);
          if (this.#standsForRegisters(view, bar)) {
            this.write(offset, length, length === 4 ? value : value & (2 ** (8 * length) - 1));
          } else {
            this.device.violation(
              "4.1.4.9",
              `pci_cfg_data written, which stands for ${length} bytes at 0x${offset.toString(16)}`,
            );
          }
        },
      },
    };
  }

  /** Whether the fields of the configuration access capability describe an access to a structure. */
  #standsForRegisters(view: DataView, bar: number): boolean {
    const [offset, length] = aim(view);
    const inside = [COMMON, ISR, CONFIG, this.#notify].some(
      (structure) => offset >= structure.offset && offset + length <= structure.offset + structure.length,
    );
    return view.getUint8(2) === bar && inside && [1, 2, 4].includes(length) && offset % length === 0;
  }

  get #notify(): { offset: number; length: number } {
    return { offset: NOTIFY.offset, length: NOTIFY.multiplier * this.device.queues.length };
  }

  /** A read of 1, 2 or 4 bytes from the BAR. */
  read(offset: number, width: number): number {
    let value = 0;
    if (offset < COMMON.length) value = registers.read(this, offset, width);
    else if (offset === ISR.offset) value = this.#readIsr();
    else if (offset >= CONFIG.offset && offset < CONFIG.offset + CONFIG.length) {
      value = this.device.config.read(offset - CONFIG.offset, width);
    }
    this.#observe(offset, width, false, value);
    return value;
  }

  /** A write of 1, 2 or 4 bytes to the BAR. */
  write(offset: number, width: number, value: number): void {
    this.#observe(offset, width, true, value);
    if (offset >= NOTIFY.offset) this.#ring(offset - NOTIFY.offset, width, value);
    else if (offset < COMMON.length) {
      const complaint = registers.write(this, offset, width, value);
      if (complaint) this.device.violation("4.1.3.1", complaint);
    } else if (offset >= CONFIG.offset && offset < CONFIG.offset + CONFIG.length) {
      this.device.writeConfig(offset - CONFIG.offset, width, value);
    } else {
      this.device.violation(
        "4.1.4",
        `a write at offset 0x${offset.toString(16)}, where there is no structure`,
      );
    }
  }

  queue(): void {
    this.#interrupt(Interrupt.QUEUE);
  }

  config(): void {
    this.#interrupt(Interrupt.CONFIG);
  }

  writeStatus(value: number): void {
    this.device.writeStatus(value);
    if (value !== 0) return;
    this.state.reset();
    this.#isr = 0;
    this.#line.set(false);
  }

  /** 4.1.5.2: the queue's 16-bit index, written to the queue's own address. */
  #ring(offset: number, width: number, value: number): void {
    const queue = Math.floor(offset / NOTIFY.multiplier);
    if (width !== 2 || offset % NOTIFY.multiplier !== 0) {
      this.device.violation("4.1.5.2", `${width} bytes written at ${offset} of the notification structure`);
    } else if (value !== queue) {
      this.device.violation("4.1.5.2", `the doorbell of queue ${queue} was rung with ${value}`);
    }
    // Whatever was written: to look for work when there is none does no harm (2.7.10.2).
    this.device.kick(queue);
  }

  /** 4.1.4.5.1: reading clears the status and deasserts the line. */
  #readIsr(): number {
    const isr = this.#isr;
    if (isr !== 0) {
      this.#isr = 0;
      this.#line.set(false);
      this.device.observer?.({ type: "acknowledge", device: this.device.name, isr });
    }
    return isr;
  }

  #interrupt(bit: number): void {
    this.#isr |= bit;
    this.#line.set(true);
  }

  #observe(offset: number, width: number, write: boolean, value: number): void {
    this.device.accesses++;
    const { observer, name } = this.device;
    if (observer)
      observer({ type: "access", device: name, register: this.#nameAt(offset), offset, width, write, value });
  }

  #nameAt(offset: number): string {
    if (offset < COMMON.length) return registers.at(offset)?.name ?? "reserved";
    if (offset >= NOTIFY.offset) return "queue_notify";
    if (offset === ISR.offset) return "isr_status";
    return `config.${this.device.config.nameAt(offset - CONFIG.offset)}`;
  }
}

/** 4.1.4.3, struct virtio_pci_common_cfg. */
const table: Register<VirtioPci>[] = [
  {
    name: "device_feature_select",
    offset: 0x00,
    width: 4,
    read: (t) => t.state.deviceFeatureSelect,
    write: (t, value) => (t.state.deviceFeatureSelect = value),
  },
  { name: "device_feature", offset: 0x04, width: 4, read: (t) => t.state.deviceFeatures },
  {
    name: "driver_feature_select",
    offset: 0x08,
    width: 4,
    read: (t) => t.state.driverFeatureSelect,
    write: (t, value) => (t.state.driverFeatureSelect = value),
  },
  {
    name: "driver_feature",
    offset: 0x0c,
    width: 4,
    read: (t) => t.state.driverFeatures,
    write: (t, value) => t.device.writeFeatures(t.state.driverFeatureSelect, value),
  },
  // No MSI-X: vectors read back as NO_VECTOR (4.1.5.1.2).
  { name: "config_msix_vector", offset: 0x10, width: 2, read: () => NO_VECTOR, write: () => undefined },
  { name: "num_queues", offset: 0x12, width: 2, read: (t) => t.device.queues.length },
  {
    name: "device_status",
    offset: 0x14,
    width: 1,
    read: (t) => t.device.status,
    write: (t, value) => t.writeStatus(value),
  },
  { name: "config_generation", offset: 0x15, width: 1, read: (t) => t.device.generation },
  {
    name: "queue_select",
    offset: 0x16,
    width: 2,
    read: (t) => t.state.queueSelect,
    write: (t, value) => (t.state.queueSelect = value),
  },
  {
    name: "queue_size",
    offset: 0x18,
    width: 2,
    read: (t) => t.state.queue?.size ?? 0,
    write: (t, value) => t.state.setQueueSize(value),
  },
  { name: "queue_msix_vector", offset: 0x1a, width: 2, read: () => NO_VECTOR, write: () => undefined },
  {
    name: "queue_enable",
    offset: 0x1c,
    width: 2,
    read: (t) => (t.state.queue?.enabled ? 1 : 0),
    write: (t, value) => {
      if (value === 1) t.state.enableQueue();
      else t.device.violation("4.1.4.3.2", `${value} written to queue_enable`);
    },
  },
  {
    name: "queue_notify_off",
    offset: 0x1e,
    width: 2,
    read: (t) => (t.state.queue ? t.state.queueSelect : 0),
  },
  ...address("queue_desc", 0x20, "descriptors"),
  ...address("queue_driver", 0x28, "available"),
  ...address("queue_device", 0x30, "used"),
];

function address(
  name: string,
  offset: number,
  field: "descriptors" | "available" | "used",
): Register<VirtioPci>[] {
  return [false, true].map((high) => ({
    name: `${name}_${high ? "high" : "low"}`,
    offset: offset + (high ? 4 : 0),
    width: 4,
    read: (t) => half(t.state.queue?.[field] ?? 0n, high),
    write: (t, value) =>
      t.state.configureQueue((queue) => (queue[field] = withHalf(queue[field], high, value))),
  }));
}

const registers = new RegisterFile(table, COMMON.length);

/** Offset and length as they stand in a capability. */
function aim(view: DataView): [offset: number, length: number] {
  return [view.getUint32(6, true), view.getUint32(10, true)];
}

/** struct virtio_pci_cap from cap_len on (4.1.4). */
function capability(
  type: number,
  bar: number,
  { offset, length }: { offset: number; length: number },
  extra?: number,
): Uint8Array {
  const bytes = new Uint8Array(extra === undefined ? 14 : 18);
  const view = new DataView(bytes.buffer);
  bytes[0] = bytes.length + 2;
  bytes[1] = type;
  bytes[2] = bar;
  view.setUint32(6, offset, true);
  view.setUint32(10, length, true);
  if (extra !== undefined) view.setUint32(14, extra, true);
  return bytes;
}
