import type { Fault } from "../fault.ts";

const split = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/ring/split.ts", ...fault });

/** Split rings, 2.7. */
export const SPLIT_FAULTS: readonly Fault[] = [
  split({
    wrong: "split: asks nobody whether used_event wants the interrupt",
    find: "return ((after - usedEvent - 1) & 0xffff) < ((after - before) & 0xffff);",
    replace: "return usedEvent >= 0 && after !== before;",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: used_event is off by one",
    find: "return ((after - usedEvent - 1) & 0xffff) <",
    replace: "return ((after - usedEvent) & 0xffff) <",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: used_event is compared without wrapping",
    find: "return ((after - usedEvent - 1) & 0xffff) < ((after - before) & 0xffff);",
    replace: "return usedEvent >= before && usedEvent < after;",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: the driver's flags are ignored without EVENT_IDX",
    find: "if (!this.eventIdx) return (u16[this.#avail]! & AVAIL_NO_INTERRUPT) === 0;",
    replace: "if (!this.eventIdx) return true;",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: the driver's flags are obeyed with EVENT_IDX",
    find: "if (!this.eventIdx) return (u16[this.#avail]!",
    replace: "if (!this.eventIdx || u16[this.#avail]! & 1) return (u16[this.#avail]!",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: avail_event never moves",
    find: "else if (want) this.#store(this.#used + 4 + 8 * this.size, this.#nextAvail);",
    replace: "",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: avail_event is written without EVENT_IDX",
    find: "if (!this.eventIdx) this.#store(this.#used, want ? 0 : USED_NO_NOTIFY);\n    else if (want)",
    replace: "if (!this.eventIdx) this.#store(this.#used, want ? 0 : USED_NO_NOTIFY);\n    if (want)",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: used.flags keep what stood in memory with EVENT_IDX",
    find: "    this.#store(this.#used, 0);",
    replace: "   ",
    tests: ["virtio-split-order"],
  }),
  split({
    wrong: "split: the available index is not bounded",
    find: "if (count <= this.size) return count > 0;",
    replace: "if (count >= 0) return count > 0;",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: descriptor indices are not bounded",
    find: "if (index >= entries) {",
    replace: "if (index >= 65536) {",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: a chain in an indirect table has no bound",
    find: "builder.limit = this.maximumChain;",
    replace: "builder.limit = 1e6;",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: an indirect table in an indirect table is taken, as if it were a buffer",
    find: "if (flags & Descriptor.INDIRECT) {",
    replace: "if (flags & Descriptor.INDIRECT && !inIndirectTable) {",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: an indirect descriptor with a next one is taken",
    find: "    if (flags & Descriptor.NEXT) return WITH_NEXT;\n",
    replace: "",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: indirect tables are taken without the feature",
    find: "    if (!this.indirect) return NOT_NEGOTIATED;\n",
    replace: "",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: the write flag of an indirect descriptor counts",
    find: 'if (!descriptor.inside(this.memory)) return this.#refuse("outside", index, head);',
    replace: 'if (flags & Descriptor.WRITE) return this.#refuse("order", index, head);',
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: a used element without its length",
    find: "    u32[entry + 1] = chain.written;\n",
    replace: "",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: used.idx moves before the used element is written",
    find: "    u32[entry] = chain.head;\n",
    replace:
      "    this.memory.u16[(this.#used >> 1) + 1] = this.#nextUsed + 1;\n    this.memory.dirty(this.#used, this.#used + 4);\n    u32[entry] = chain.head;\n",
    tests: ["virtio-split-order"],
  }),
  split({
    wrong: "split: the used ring is not reported as written",
    find: "    this.memory.dirty(this.#used, this.#used + 6 + 8 * this.size);\n",
    replace: "",
    tests: ["virtio-ring"],
  }),
  split({
    wrong: "split: chains are taken in another order than they were made available",
    find: "(this.#nextAvail & this.#mask)]!;",
    replace: "((this.#nextAvail ^ 1) & this.#mask)]!;",
    tests: ["virtio-ring"],
  }),
];
