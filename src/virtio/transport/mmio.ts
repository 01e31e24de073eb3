import type { VirtioDevice } from "../device.ts";
import { MMIO_VERSION } from "../spec.ts";
import { commonRegisters, CONFIG, type InterruptLine, MmioRegisters } from "./mmio-registers.ts";
import { type Register, RegisterFile } from "./registers.ts";
import { half, withHalf } from "./setup.ts";

export { type InterruptLine, MMIO_BYTES } from "./mmio-registers.ts";

/** The virtio-mmio transport, version 2 (virtio 1.3, 4.2.2). */
export class VirtioMmio extends MmioRegisters {
  /** The shared memory region that the driver looks at. */
  sharedMemorySelect = 0;

  constructor(device: VirtioDevice, line: InterruptLine) {
    super(device, line, "4.2.2.2");
  }

  protected get registers(): RegisterFile<this> {
    return registers;
  }

  protected mayAccessConfig(offset: number, width: number, write: boolean): boolean {
    const { config } = this.device;
    // v86 hands a read of 16 bits over as two of 8; strict mode looks whether it was one (strict/widths.ts).
    const half = !write && width === 1 && config.natural(offset & ~1, 2);
    return half || config.natural(offset, width);
  }

  protected override resetState(): void {
    super.resetState();
    this.sharedMemorySelect = 0;
  }

  /** QueueReady: the driver hands the selected queue to the device, or takes it away. */
  writeReady(value: number): void {
    const { state, device } = this;
    if (value === 1) state.enableQueue();
    else if (value === 0) state.disableQueue();
    else device.violation("4.2.2 ready", `${value} written to QueueReady`);
  }

  /** QueueReset (2.6.1). The queue is reset when this returns, so that the register always reads 0. */
  writeReset(value: number): void {
    const { queue, queueSelect } = this.state;
    if (value !== 1) this.device.violation("4.2.2 ready", `${value} written to QueueReset`);
    else if (!queue) this.device.violation("2.6 exists", `queue ${queueSelect} reset, there is none`);
    else this.device.resetQueue(queue);
  }

  /** Length or address of the selected shared memory region (2.10); all ones when it does not exist. */
  sharedMemory(of: "length" | "address"): bigint {
    return this.device.sharedMemory(this.sharedMemorySelect)?.[of] ?? 0xffff_ffff_ffff_ffffn;
  }
}

/** 4.2.2, table "MMIO Device Register Layout". */
const table: Register<VirtioMmio>[] = [
  ...commonRegisters(MMIO_VERSION, {
    offered: "DeviceFeatures",
    accepted: "DriverFeatures",
    sizeMax: "QueueSizeMax",
    size: "QueueSize",
  }),
  {
    name: "QueueReady",
    offset: 0x44,
    width: 4,
    read: (t) => (t.state.queue?.enabled ? 1 : 0),
    write: (t, value) => t.writeReady(value),
  },
  ...address("QueueDesc", 0x80, "descriptors"),
  ...address("QueueDriver", 0x90, "available"),
  ...address("QueueDevice", 0xa0, "used"),
  { name: "SHMSel", offset: 0xac, width: 4, write: (t, value) => (t.sharedMemorySelect = value) },
  ...halves("SHMLen", 0xb0, (high) => ({ read: (t) => half(t.sharedMemory("length"), high) })),
  ...halves("SHMBase", 0xb8, (high) => ({ read: (t) => half(t.sharedMemory("address"), high) })),
  { name: "QueueReset", offset: 0xc0, width: 4, read: () => 0, write: (t, value) => t.writeReset(value) },
  {
    name: "ConfigGeneration",
    offset: 0xfc,
    width: 4,
    read: (t) => t.device.readGeneration(),
    peek: (t) => t.device.generation,
  },
];

function address(
  name: string,
  offset: number,
  field: "descriptors" | "available" | "used",
): Register<VirtioMmio>[] {
  return halves(name, offset, (high) => ({
    write: (t, value) =>
      t.state.configureQueue((queue) => (queue[field] = withHalf(queue[field], high, value))),
  }));
}

/** The two registers of a 64-bit value. */
function halves(
  name: string,
  offset: number,
  access: (high: boolean) => Pick<Register<VirtioMmio>, "read" | "write">,
): Register<VirtioMmio>[] {
  return [
    { name: `${name}Low`, offset, width: 4, ...access(false) },
    { name: `${name}High`, offset: offset + 4, width: 4, ...access(true) },
  ];
}

const registers = new RegisterFile(table, CONFIG);
