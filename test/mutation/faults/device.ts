import type { Fault } from "../fault.ts";

const device = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/device.ts", ...fault });
const queue = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/queue.ts", ...fault });

/** Status, features, reset and what a queue does whatever its ring. */
export const DEVICE_FAULTS: readonly Fault[] = [
  device({
    wrong: "accepts features that it does not offer",
    find: "    if (unknown !== 0n) refused = `the driver",
    replace: "    if (unknown < 0n) refused = `the driver",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "accepts FEATURES_OK without VERSION_1",
    find: "else if (!this.has(Feature.common.VERSION_1))",
    replace: "else if (this.has(999n))",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "takes DRIVER_OK without FEATURES_OK",
    find: "      status &= ~Status.DRIVER_OK;",
    replace: "",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "lets the driver clear status bits",
    find: "let status = before | asked;",
    replace: "let status = asked;",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "takes features after FEATURES_OK",
    find: `      this.violation("3.1.1 late", "features written after FEATURES_OK");
      return;`,
    replace: `      this.violation("3.1.1 late", "features written after FEATURES_OK");`,
    tests: ["virtio-status"],
  }),
  device({
    wrong: "serves queues before DRIVER_OK",
    find: "return relevant === Status.DRIVER_OK ||",
    replace: "return (relevant & ~Status.DRIVER_OK) === 0 ||",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "serves queues after DEVICE_NEEDS_RESET",
    find: "(Status.DRIVER_OK | Status.DEVICE_NEEDS_RESET | Status.FAILED)",
    replace: "(Status.DRIVER_OK | Status.FAILED)",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "says nothing when it sets DEVICE_NEEDS_RESET",
    find: `    this.#setStatus(this.#status | Status.DEVICE_NEEDS_RESET);
    this.#notifyConfig();`,
    replace: "    this.#setStatus(this.#status | Status.DEVICE_NEEDS_RESET);",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "sends configuration interrupts before DRIVER_OK",
    find: "    if (!(this.#status & Status.DRIVER_OK)) return;\n",
    replace: "",
    tests: ["virtio-transport"],
  }),
  device({
    wrong: "keeps accepted features over a reset",
    find: `    for (const queue of this.queues) queue.reset();
    this.#accepted = 0n;`,
    replace: "    for (const queue of this.queues) queue.reset();",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "keeps queues enabled over a reset",
    find: `    for (const queue of this.queues) queue.reset();
    this.#accepted = 0n;`,
    replace: "    this.#accepted = 0n;",
    tests: ["virtio-status"],
  }),
  device({
    wrong: "does not count a change of the configuration space",
    find: "this.#generation = (this.#generation + 1) & 0xff;",
    replace: "",
    tests: ["virtio-generation"],
  }),
  device({
    wrong: "counts every change of the configuration space, so that 256 of them are none",
    find: "if (this.#generationRead) this.#generation =",
    replace: "this.#generation =",
    tests: ["virtio-generation"],
  }),
  device({
    wrong: "serves queues while PCI bus mastering is off",
    find: "if (this.live && this.#busMaster)",
    replace: "if (this.live)",
    tests: ["virtio-transport"],
  }),
  device({
    wrong: "resets a queue though RING_RESET was not negotiated",
    find: "if (this.has(Feature.common.RING_RESET)) this.disableQueue(queue);\n    else\n",
    replace: "this.disableQueue(queue);\n",
    tests: ["virtio-queue-reset"],
  }),
  queue({
    wrong: "a reset queue goes on writing to the guest: late data, late used element, late interrupt",
    find: "    this.#ring?.kill();\n    this.#ring = undefined;\n    this.size",
    replace: "    this.#ring = undefined;\n    this.size",
    tests: ["virtio-status"],
  }),
  queue({
    wrong: "a queue stays enabled when it is reset",
    find: "    this.#ring?.kill();\n    this.#ring = undefined;\n    this.size",
    replace: "    this.#ring?.kill();\n    this.size",
    tests: ["virtio-status"],
  }),
  queue({
    wrong: "a reset keeps the queue's size",
    find: "    this.size = this.maximumSize;\n    this.descriptors =",
    replace: "    this.descriptors =",
    tests: ["virtio-queue-setup", "virtio-queue-reset", "virtio-status"],
  }),
  queue({
    wrong: "interrupts although the driver does not want it",
    find: "const interrupt = this.#ring.interruptDue();",
    replace: "this.#ring.interruptDue();\n    const interrupt = true;",
    tests: ["virtio-ring"],
  }),
  queue({
    wrong: "wants no kicks any more after it was busy",
    find: "this.#ring.wantKicks(!this.hasAvailable);",
    replace: "if (this.hasAvailable) this.#ring.wantKicks(false);",
    tests: ["virtio-ring"],
  }),
  queue({
    wrong: "publishes each used element by itself",
    find: "    this.#ring.put(chain, written);\n",
    replace: "    this.#ring.put(chain, written);\n    this.#ring.publish();\n",
    tests: ["virtio-ring"],
  }),
];
