import type { VirtioDevice } from "../device.ts";
import { MMIO_LEGACY_VERSION } from "../spec.ts";
import { commonRegisters, CONFIG, type InterruptLine, MmioRegisters } from "./mmio-registers.ts";
import { type Register, RegisterFile } from "./registers.ts";

/**
 * The virtio-mmio transport, version 1 (virtio 1.3, 4.2.4), for drivers from before virtio 1.0: feature bits 0 to 31, and
 * a queue that lies in one piece (2.7.2) at a page number.
 */
export class VirtioMmioLegacy extends MmioRegisters {
  /** Bytes. The driver says it once, before its first reset, so that no reset of the device takes it away. */
  #pageSize = 0;
  /** For each queue, the boundary at which its used ring begins, in bytes. */
  readonly #align: number[];
  /** For each queue in use, the page at which it begins. */
  readonly #page: number[];

  constructor(device: VirtioDevice, line: InterruptLine) {
    super(device, line, "4.2.4");
    device.setLegacy(true);
    this.#align = device.queues.map(() => 0);
    this.#page = device.queues.map(() => 0);
  }

  protected get registers(): RegisterFile<this> {
    return registers;
  }

  /** 2.5.4 has no rule on widths: Linux, for one, goes through fields of any width byte by byte. */
  protected mayAccessConfig(offset: number, width: number): boolean {
    return offset + width <= this.device.config.size;
  }

  protected override resetState(): void {
    super.resetState();
    this.#align.fill(0);
  }

  set pageSize(bytes: number) {
    if (isPowerOfTwo(bytes)) this.#pageSize = bytes;
    else this.device.violation("4.2.4 page", `GuestPageSize ${bytes}: not a power of two`);
  }

  set align(bytes: number) {
    if (isPowerOfTwo(bytes)) this.state.configureQueue((queue) => (this.#align[queue.index] = bytes));
    else
      this.device.violation("4.2.4 page", `QueueAlign ${bytes}: not a power of two`, this.state.queueSelect);
  }

  /** The page at which the selected queue begins; 0 when it is not in use. */
  get page(): number {
    const { queue } = this.state;
    return queue?.enabled ? this.#page[queue.index]! : 0;
  }

  /** The driver starts the selected queue, at a page, or takes it away, with 0. */
  set page(number: number) {
    if (number === 0) {
      this.state.disableQueue();
      return;
    }
    this.state.configureQueue((queue) => {
      const { index } = queue;
      const align = this.#align[index]!;
      const missing = this.#pageSize === 0 ? "GuestPageSize" : align === 0 ? "QueueAlign" : undefined;
      if (missing) {
        this.device.violation("4.2.4 page", `queue ${index} started without ${missing}`, index);
        return;
      }
      this.#page[index] = number;
      queue.place(number * this.#pageSize, align);
      this.state.enableQueue();
    });
  }
}

/** 4.2.4, table "MMIO Device Legacy Register Layout". */
const table: Register<VirtioMmioLegacy>[] = [
  ...commonRegisters(MMIO_LEGACY_VERSION, {
    offered: "HostFeatures",
    accepted: "GuestFeatures",
    sizeMax: "QueueNumMax",
    size: "QueueNum",
  }),
  { name: "GuestPageSize", offset: 0x28, width: 4, write: (t, value) => (t.pageSize = value) },
  { name: "QueueAlign", offset: 0x3c, width: 4, write: (t, value) => (t.align = value) },
  {
    name: "QueuePFN",
    offset: 0x40,
    width: 4,
    read: (t) => t.page,
    write: (t, value) => (t.page = value),
  },
];

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Math.log2(value) % 1 === 0;
}

const registers = new RegisterFile(table, CONFIG);
