import type { Fault } from "../fault.ts";

const block = (fault: Omit<Fault, "file"> & Partial<Fault>): Fault => ({
  file: "src/virtio/block.ts",
  ...fault,
});
const ranges = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/block/ranges.ts", ...fault });
const cache = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/block/cache-mode.ts", ...fault });
const consoles = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/console.ts", ...fault });
const entropy = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/entropy.ts", ...fault });

/** The block, console and entropy devices. */
export const MODEL_FAULTS: readonly Fault[] = [
  block({
    wrong: "writes to a read-only disk",
    find: "(write && this.backend.readOnly)",
    replace: "false",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "does not offer RO for a read-only disk",
    file: "src/virtio/block/model.ts",
    find: "[RO, backend.readOnly],",
    replace: "",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "reads and writes behind the end of the disk",
    find: "      offset + length > this.backend.capacity ||\n",
    replace: "",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "takes transfers that are no multiple of 512 bytes",
    find: "      length % Block.SECTOR !== 0 ||\n",
    replace: "",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "GET_ID with room for other than 20 bytes",
    find: "if (chain.writer.total !== Block.ID_BYTES + 1) return Block.IOERR;",
    replace: "",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "used.len counts what a failed read did not fill",
    find: "const filled = status === Block.OK ? writer.total - writer.remaining : 0;",
    replace: "const filled = writer.total - 1;",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "the status byte is not the last one",
    find: "    writer.skip(writer.remaining - 1);\n",
    replace: "",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "unknown requests end well",
    find: "this.#finish(queue, chain, Block.UNSUPP);",
    replace: "this.#finish(queue, chain, Block.OK);",
    tests: ["virtio-features"],
  }),
  block({
    wrong: "a flush is done before the storage has flushed",
    find: "if (waiting) return waiting.then(() => this.#finish(queue, chain, Block.OK), failed);",
    replace: "",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "a write of a driver without FLUSH is done before it is on persistent storage",
    find: "if (write && this.#cache.writeThrough)",
    replace: "if (false)",
    tests: ["virtio-block-stable"],
  }),
  block({
    wrong: "reads behind the end of a disk that has shrunk while the request waited",
    find: '          if (end > this.backend.capacity) throw new RangeError("the disk has shrunk meanwhile");\n',
    replace: "",
    tests: ["virtio-block"],
  }),
  block({
    wrong: "a new capacity is not announced",
    find: `      this.#showCapacity();
      this.configChanged();`,
    replace: `      this.#showCapacity();`,
    tests: ["virtio-block"],
  }),
  block({
    wrong: "does requests of features that were not accepted",
    find: "if (command && this.has(command.feature))",
    replace: "if (command)",
    tests: ["virtio-block-ranges"],
  }),
  block({
    wrong: "goes on with zeroes of a queue that was reset",
    find: "        await waiting;\n        if (!chain.inFlight) return; // reset meanwhile",
    replace: "        await waiting;",
    tests: ["virtio-block-ranges"],
  }),
  block({
    wrong: "a block size that is no divisor of the capacity shows a last block in part",
    find: "Math.floor(this.backend.capacity / this.#blockSize)",
    replace: "this.backend.capacity / this.#blockSize",
    tests: ["virtio-block-features"],
  }),
  ranges({
    wrong: "takes unmap in a discard",
    find: "DISCARD, flags: 0,",
    replace: "DISCARD, flags: UNMAP,",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "unknown flags are ignored",
    find: "return Block.UNSUPP;",
    replace: "break;",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "ranges behind the end of the disk",
    find: " || offset + length > backend.capacity",
    replace: "",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "ranges longer than the limits",
    find: "length > command.limits.bytes || ",
    replace: "",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "more ranges than the limits",
    find: " || count > command.limits.segments",
    replace: "",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "a write of zeroes forgets what does not fill a unit",
    find: "return from < to ? { offset, end, from, to } : none;",
    replace: "return { offset: from, end: to, from, to };",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "gives back units that a discard covers in part",
    find: "Math.floor(end / unit) * unit",
    replace: "Math.min(backend.capacity, Math.ceil(end / unit) * unit)",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "gives back storage where zeroes shall stay",
    find: "!(discard || unmap)",
    replace: "false",
    tests: ["virtio-block-ranges"],
  }),
  ranges({
    wrong: "gives back the last unit in part after the disk has grown",
    find: "const to = range.to - loose;",
    replace: "const to = range.to;",
    tests: ["virtio-block-ranges"],
  }),
  cache({
    wrong: "write-back for a driver that can switch the cache but not flush it",
    find: "(this.#device.has(CONFIG_WCE) && this.#device.has(FLUSH))",
    replace: "this.#device.has(CONFIG_WCE)",
    tests: ["virtio-block-cache"],
  }),
  cache({
    wrong: "a legacy driver's features change the cache mode",
    find: "this.#device.legacy || (",
    replace: "(",
    tests: ["virtio-block-cache"],
  }),
  cache({
    wrong: "write-through that does not wait",
    find: "this.writeThrough = !writeback || ",
    replace: "this.writeThrough = ",
    tests: ["virtio-block-cache"],
  }),
  cache({
    wrong: "writeback can be written without CONFIG_WCE",
    find: "const allowed = this.#device.legacy || this.#device.has(Feature.block.CONFIG_WCE);",
    replace: "const allowed = true;",
    tests: ["virtio-block-cache"],
  }),
  cache({
    wrong: "the cache mode survives a reset",
    find: "  reset(): void {\n    this.#set(true);",
    replace: "  reset(): void {\n    this.#set(this.#writeback);",
    tests: ["virtio-block-cache"],
  }),
  consoles({
    wrong: "adds the ports again when the driver says again that it is ready",
    find: "if (value !== 1 || this.#announced) return;",
    replace: "if (value !== 1) return;",
    tests: ["virtio-console-ports"],
  }),
  consoles({
    wrong: "answers control messages about ports that do not exist",
    find: "const port = this.ports[id];\n    if (!port) {",
    replace: "const port = this.ports[id] ?? this.ports[0];\n    if (!port) {",
    tests: ["virtio-console"],
  }),
  consoles({
    wrong: "does not send the names of ports",
    find: "if (port.name) this.#send(port.id, ConsoleControl.PORT_NAME,",
    replace: 'if (port.name === "") this.#send(port.id, ConsoleControl.PORT_NAME,',
    tests: ["virtio-console"],
  }),
  consoles({
    wrong: "rows before columns in a RESIZE message",
    find: "view.setUint16(0, this.#size.columns, true);\n    view.setUint16(2, this.#size.rows, true);",
    replace: "view.setUint16(2, this.#size.columns, true);\n    view.setUint16(0, this.#size.rows, true);",
    tests: ["virtio-console"],
  }),
  consoles({
    wrong: "does not take emergency writes",
    find: 'if (field === "emerg_wr")',
    replace: 'if (field === "")',
    tests: ["virtio-console"],
  }),
  consoles({
    wrong: "loses the rest of a buffer when the listener is slow",
    find: "if (!goesOn && reader.remaining > 0) return;",
    replace: "if (!goesOn) break;",
    tests: ["virtio-console"],
  }),
  entropy({
    wrong: "used.len says more than the random bytes that were written",
    find: "queue.put(chain, written);",
    replace: "queue.put(chain, chain.writer.total);",
    tests: ["virtio-entropy"],
  }),
  entropy({
    wrong: "leaves buffers as they were and says that they are full",
    find: "      this.#source(piece);\n",
    replace: "",
    tests: ["virtio-entropy"],
  }),
];
