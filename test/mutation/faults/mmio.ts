import type { Fault } from "../fault.ts";

const registers = (fault: Omit<Fault, "file">): Fault => ({
  file: "src/virtio/transport/mmio-registers.ts",
  ...fault,
});
const mmio = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/transport/mmio.ts", ...fault });
const legacy = (fault: Omit<Fault, "file">): Fault => ({
  file: "src/virtio/transport/mmio-legacy.ts",
  ...fault,
});

/** MMIO: version 2 and version 1. */
export const MMIO_FAULTS: readonly Fault[] = [
  mmio({
    wrong: "MMIO: Version is 1",
    find: "commonRegisters(MMIO_VERSION,",
    replace: "commonRegisters(1,",
    tests: ["virtio-transport"],
  }),
  mmio({
    wrong: "MMIO: ConfigGeneration never changes",
    find: "read: (t) => t.device.readGeneration()",
    replace: "read: () => 0",
    tests: ["virtio-generation"],
  }),
  mmio({
    wrong: "MMIO: QueueReady does not read back",
    find: "read: (t) => (t.state.queue?.enabled ? 1 : 0),",
    replace: "read: () => 0,",
    tests: ["virtio-queue-setup"],
  }),
  mmio({
    wrong: "MMIO: 0 in QueueReady leaves the queue running",
    find: "else if (value === 0) state.disableQueue();",
    replace: "else if (value === 0) return;",
    tests: ["virtio-queue-setup"],
  }),
  mmio({
    wrong: "MMIO: QueueReset does nothing",
    find: "else this.device.resetQueue(queue);",
    replace: "",
    tests: ["virtio-queue-reset"],
  }),
  mmio({
    wrong: "MMIO: a shared memory region that does not exist has length 0",
    find: "?? 0xffff_ffff_ffff_ffffn",
    replace: "?? 0n",
    tests: ["virtio-transport"],
  }),
  registers({
    wrong: "MMIO: InterruptACK takes back every event, named or not",
    find: "this.#interruptStatus &= ~bits;",
    replace: "this.#interruptStatus = 0;",
    tests: ["virtio-transport"],
  }),
  registers({
    wrong: "MMIO: reading InterruptStatus acknowledges",
    find: "    return this.#interruptStatus;",
    replace: "    const status = this.#interruptStatus;\n    this.#interruptStatus = 0;\n    return status;",
    tests: ["virtio-transport"],
  }),
  registers({
    wrong: "MMIO: the interrupt stays over a reset",
    find: "    this.#interruptStatus = 0;\n    this.#line.set(false);\n  }",
    replace: "  }",
    tests: ["virtio-transport"],
  }),
  registers({
    wrong: "MMIO: kicks arrive without the data that VIRTIO_F_NOTIFICATION_DATA adds",
    find: "this.device.kick(value & 0xffff, value >>> 16);",
    replace: "this.device.kick(value & 0xffff);",
    tests: ["virtio-notification", "virtio-mmio"],
  }),
  legacy({
    wrong: "legacy MMIO: QueuePFN counts bytes, not pages",
    find: "queue.place(number * this.#pageSize, align);",
    replace: "queue.place(number, align);",
    tests: ["virtio-mmio-legacy"],
  }),
  legacy({
    wrong: "legacy MMIO: 0 in QueuePFN leaves the queue running",
    find: "      this.state.disableQueue();\n",
    replace: "",
    tests: ["virtio-mmio-legacy"],
  }),
  legacy({
    wrong: "legacy MMIO: QueueAlign is ignored",
    find: "(queue) => (this.#align[queue.index] = bytes)",
    replace: "(queue) => (this.#align[queue.index] = 4096)",
    tests: ["virtio-mmio-legacy"],
  }),
];
