import type { Fault } from "../fault.ts";

const packed = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/ring/packed.ts", ...fault });

/** Packed rings, 2.8. */
export const PACKED_FAULTS: readonly Fault[] = [
  packed({
    wrong: "packed: forgets the wrap counter of available descriptors",
    find: `      this.#next -= this.size;
      this.#availableFlags ^= BOTH;`,
    replace: "      this.#next -= this.size;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: forgets the wrap counter of used descriptors",
    find: `      this.#used -= this.size;
      this.#usedFlags ^= BOTH;`,
    replace: "      this.#used -= this.size;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: takes a descriptor whose used flag says that it is used already",
    find: "(this.#flagsAt(this.#next) & BOTH) !== this.#availableFlags) return false;",
    replace: "((this.#flagsAt(this.#next) ^ this.#availableFlags) & Packed.AVAIL) !== 0) return false;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: a used descriptor skips one entry, not all of its chain's",
    find: "    this.#used += chain.entries;\n    if (this.#used",
    replace: "    this.#used += 1;\n    if (this.#used",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: the buffer id does not come back",
    find: "    this.memory.u16[(at >> 1) + 6] = chain.head;\n",
    replace: "",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: the used length does not come back",
    find: "    this.memory.u32[(at >> 2) + 2] = chain.written;\n",
    replace: "",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: the buffer id is the first descriptor's of a list, not the last one's",
    find: "        chain.head = descriptor.third;\n        chain.entries = entries;",
    replace: "        chain.entries = entries;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: a batch shows before it is complete",
    find: "      this.#first = this.#used;\n      this.#firstFlags = flags;",
    replace:
      "      this.#first = this.#used;\n      this.#firstFlags = flags;\n      this.memory.u16[(at >> 1) + 7] = flags;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: interrupts in spite of DISABLE",
    find: "if (mode === RingEvent.DISABLE) return false;",
    replace: "",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: the interrupt for the descriptor that the driver names is missing",
    find: "return back > 0 && back <= count;",
    replace: "return back > 0 && back < count;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: the wrap counter of the driver's event is ignored",
    find: "return offsetAndWrap & 0x8000 ? index : index + this.size;",
    replace: "return index;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: the wrap counter of the device's event is missing",
    find: "const wrap = this.#availableFlags === Packed.AVAIL ? 0x8000 : 0;",
    replace: "const wrap = 0;",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: a list goes on over descriptors that are not available",
    find: "if ((descriptor.fourth & BOTH) !== availableFlags) {",
    replace: "if (this.size === 0) {",
    tests: ["virtio-packed-hostile"],
  }),
  packed({
    wrong: "packed: a list may be longer than what is free",
    find: "if (entries >= room) {",
    replace: "if (entries >= 1000 * this.size) {",
    tests: ["virtio-packed-hostile"],
  }),
  packed({
    wrong: "packed: the next flag counts in an indirect table",
    find: "for (let at = start; at < end; at += Descriptor.BYTES) {",
    replace:
      "for (let at = start; at < end && (at === start || descriptor.fourth & 1); at += Descriptor.BYTES) {",
    tests: ["virtio-packed"],
  }),
  packed({
    wrong: "packed: an indirect descriptor inside a list is taken",
    find: '        return this.fail("2.8.19 list", `descriptor ${index} is indirect, inside a list`, index);',
    replace: "",
    tests: ["virtio-packed-hostile"],
  }),
];
