import type { Fault } from "../fault.ts";

const pci = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/transport/pci.ts", ...fault });
const common = (fault: Omit<Fault, "file">): Fault => ({
  file: "src/virtio/transport/pci-common.ts",
  ...fault,
});
const vectors = (fault: Omit<Fault, "file">): Fault => ({
  file: "src/virtio/transport/pci-vectors.ts",
  ...fault,
});
const legacy = (fault: Omit<Fault, "file">): Fault => ({
  file: "src/virtio/transport/pci-legacy.ts",
  ...fault,
});
const msix = (fault: Omit<Fault, "file">): Fault => ({ file: "src/machine/msix.ts", ...fault });

/** PCI: registers, interrupts by wire and by message, the transitional device. */
export const PCI_FAULTS: readonly Fault[] = [
  pci({
    wrong: "PCI: the ISR status is not cleared when it is read",
    find: "      this.#isr = 0;\n      this.#line.set(false);",
    replace: "      this.#line.set(false);",
    tests: ["virtio-transport"],
  }),
  pci({
    wrong: "PCI: the line stays high when the ISR status was read",
    find: "      this.#isr = 0;\n      this.#line.set(false);",
    replace: "      this.#isr = 0;",
    tests: ["virtio-transport"],
  }),
  pci({
    wrong: "PCI: the interrupt stays over a reset",
    find: "    this.#isr = 0;\n    this.#line.set(false);\n  }",
    replace: "  }",
    tests: ["virtio-transport"],
  }),
  pci({
    wrong: "PCI: the ISR status does not show a configuration change while messages are on",
    find: "    this.#interrupt(Interrupt.CONFIG);\n    if (this.vectors.enabled)",
    replace: "    if (!this.vectors.enabled) this.#interrupt(Interrupt.CONFIG);\n    else",
    tests: ["virtio-msix"],
  }),
  pci({
    wrong: "PCI: the line goes up for used buffers while messages are on",
    find: "if (this.vectors.enabled) this.vectors.signal(index);\n    else this.#interrupt(Interrupt.QUEUE);",
    replace: "this.vectors.signal(index);\n    this.#interrupt(Interrupt.QUEUE);",
    tests: ["virtio-msix"],
  }),
  pci({
    wrong: "PCI: vectors stay mapped over a reset",
    find: "    this.vectors.reset();\n",
    replace: "",
    tests: ["virtio-msix"],
  }),
  pci({
    wrong: "PCI: a transitional device has revision 1",
    find: "subsystem: type, revision: 0 }",
    replace: "subsystem: type, revision: 1 }",
    tests: ["virtio-pci-legacy"],
  }),
  pci({
    wrong: "PCI: kicks arrive without the data that VIRTIO_F_NOTIFICATION_DATA adds",
    find: "withData && fits ? value >>> 16 : undefined",
    replace: "undefined",
    tests: ["virtio-notification"],
  }),
  common({
    wrong: "PCI: queue_size where there is no queue is not 0",
    find: "read: (t) => t.state.queue?.size ?? 0,",
    replace: "read: (t) => (t.state.queue ?? t.device.queues[0]!).size,",
    tests: ["virtio-queue-setup"],
  }),
  common({
    wrong: "PCI: queue_enable does not read back",
    find: "read: (t) => (t.state.queue?.enabled ? 1 : 0),",
    replace: "read: () => 0,",
    tests: ["virtio-queue-setup"],
  }),
  common({
    wrong: "PCI: queue_reset does nothing",
    find: "    device.resetQueue(queue);\n",
    replace: "",
    tests: ["virtio-queue-reset"],
  }),
  common({
    wrong: "PCI: queue_reset stays 1 after the reset is done",
    find: "read: () => 0, // a reset is complete before the driver can look",
    replace: "read: (t) => (t.state.queue?.enabled ? 0 : 1),",
    tests: ["virtio-queue-reset"],
  }),
  vectors({
    wrong: "MSI-X: a vector that the table does not have is mapped",
    find: "this.#vectors[event] = valid ? vector : NO_VECTOR;",
    replace: "this.#vectors[event] = vector;",
    tests: ["virtio-msix"],
  }),
  vectors({
    wrong: "MSI-X: vectors do not read back",
    find: "return this.#vectors[event] ?? NO_VECTOR;",
    replace: "return event < 0 ? NO_VECTOR : 0;",
    tests: ["virtio-msix"],
  }),
  vectors({
    wrong: "MSI-X: an event without a vector sends the first vector's message",
    find: "if (vector !== NO_VECTOR) this.#messages?.signal(vector);",
    replace: "this.#messages?.signal(vector === NO_VECTOR ? 0 : vector);",
    tests: ["virtio-msix"],
  }),
  msix({
    wrong: "MSI-X: a masked vector is delivered",
    find: "(this.#table[controlOf(vector)]! & MASKED) !== 0;",
    replace: "this.#table.length === 0;",
    tests: ["virtio-msix"],
  }),
  msix({
    wrong: "MSI-X: the function mask is ignored",
    find: "!this.#enabled || this.#functionMasked ||",
    replace: "!this.#enabled ||",
    tests: ["virtio-msix"],
  }),
  msix({
    wrong: "MSI-X: what is pending is not delivered when the vector is unmasked",
    find: "      if (isControl) this.#sendPending(Math.floor(index / ENTRY.WORDS));\n",
    replace: "",
    tests: ["virtio-msix"],
  }),
  msix({
    wrong: "MSI-X: what is pending is not delivered when the function is unmasked",
    find: "        for (let vector = 0; vector < this.vectors; vector++) this.#sendPending(vector);\n",
    replace: "",
    tests: ["virtio-msix"],
  }),
  msix({
    wrong: "MSI-X: a pending bit stays when its message was sent",
    find: "    this.forget(vector);\n    this.#send(vector);",
    replace: "    this.#send(vector);",
    tests: ["virtio-msix"],
  }),
  msix({
    wrong: "MSI-X: the table size field is off by one",
    find: "view.setUint16(0, this.vectors - 1, true);",
    replace: "view.setUint16(0, this.vectors, true);",
    tests: ["virtio-msix"],
  }),
  legacy({
    wrong: "legacy PCI: device configuration does not move when MSI-X is enabled",
    find: "return this.#pci.vectors.enabled ? MSIX_HEADER_BYTES : HEADER_BYTES;",
    replace: "return HEADER_BYTES;",
    tests: ["virtio-pci-legacy"],
  }),
  legacy({
    wrong: "legacy PCI: a queue's page number is taken for its address",
    find: "queue.place(page * PAGE, PAGE);",
    replace: "queue.place(page, PAGE);",
    tests: ["virtio-pci-legacy"],
  }),
  legacy({
    wrong: "legacy PCI: device configuration in pieces is refused",
    find: "for (let i = 0; i < width; i++) device.writeConfig(",
    replace: "for (let i = 0; i < 0; i++) device.writeConfig(",
    tests: ["virtio-pci-legacy"],
  }),
];
