import type { Fault } from "../fault.ts";

const builder = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/ring/builder.ts", ...fault });
const common = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/ring/common.ts", ...fault });
const chain = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/ring/chain.ts", ...fault });

/** What both ring layouts have in common: checks of descriptors, chains that come and go. */
export const CHAIN_FAULTS: readonly Fault[] = [
  builder({
    wrong: "readable buffers after writable ones are taken",
    find: '    } else if (this.#firstWritable >= 0) return "order";',
    replace: "    }",
    tests: ["virtio-ring"],
  }),
  builder({
    wrong: "buffers may lie outside guest memory",
    find: 'if (!descriptor.inside(this.#memory)) return "outside";',
    replace: "",
    tests: ["virtio-ring"],
  }),
  builder({
    wrong: "the upper half of an address is ignored",
    find: "return this.addressHigh === 0 && this.address",
    replace: "return this.address",
    tests: ["virtio-ring"],
  }),
  common({
    wrong: "more chains in flight than the queue has entries",
    find: "if (this.#chains.length === this.size) {",
    replace: "if (this.#chains.length === 1000 * this.size) {",
    tests: ["virtio-ring"],
  }),
  common({
    wrong: "a device goes on for ever with chains that its own writes make available",
    find: "if (this.#left-- > 0) return true;",
    replace: "if (this.size > 0) return true;",
    tests: ["virtio-runaway"],
  }),
  common({
    wrong: "with IN_ORDER chains come back as they complete",
    find: "if (!this.#order) this.#giveBack(chain);\n    else",
    replace: "if (this.size > 0) this.#giveBack(chain);\n    else",
    tests: ["virtio-in-order"],
  }),
  common({
    wrong: "chains stay alive when their queue is taken away",
    find: "for (const chain of this.#chains) if (chain.inFlight) chain.close(0);",
    replace: "",
    tests: ["virtio-status"],
  }),
  chain({
    wrong: "the writer goes on into the next buffers in memory: past the chain's length",
    find: "return Math.min(maximum, this.#left, this.#remaining);",
    replace: "return maximum;",
    tests: ["virtio-ring"],
  }),
  chain({
    wrong: "guest memory that the device wrote is not reported",
    find: "    this.memory.dirty(start, start + length);\n",
    replace: "",
    tests: ["virtio-ring"],
  }),
];
