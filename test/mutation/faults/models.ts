import type { Fault } from "../fault.ts";

const block = (fault: Omit<Fault, "file">): Fault => ({ file: "src/virtio/block.ts", ...fault });
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
    find: "...(backend.readOnly ? [RO] : [])",
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
    find: "if (write && !this.has(Feature.block.FLUSH))",
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
    find: `      this.config.set("capacity", backend.capacity / Block.SECTOR);
      this.configChanged();`,
    replace: `      this.config.set("capacity", backend.capacity / Block.SECTOR);`,
    tests: ["virtio-block"],
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
