import type { Fault } from "../fault.ts";

const tests = ["disk-chunked"];
const writer = { file: "src/backends/disk/chunk-writer.ts", tests };

/** Disks whose bytes are in a store that answers later: what the guest gives back must not come back. */
export const DISK_FAULTS: readonly Fault[] = [
  {
    wrong: "a chunk that was given back while it was loaded is there again",
    file: "src/backends/disk/chunk-loader.ts",
    find: "if (!this.#cache.has(number) && this.#stored.has(number))",
    replace: "if (!this.#cache.has(number))",
    tests,
  },
  {
    wrong: "a chunk that was given back while it was saved counts as stored",
    ...writer,
    find: "chunks.filter(({ dropped }) => !dropped)",
    replace: "chunks",
  },
  {
    wrong: "a chunk that was given back is saved again after a save that failed",
    ...writer,
    find: "if (chunk.dropped) {",
    replace: "if (false) {",
  },
  {
    wrong: "what a save that failed was to remove stays",
    ...writer,
    find: "    for (const number of removed) this.#removed.add(number);\n",
    replace: "",
  },
  {
    wrong: "a flush after giving back alone is none",
    ...writer,
    find: "return this.#dirty.length === 0 && this.#removed.size === 0;",
    replace: "return this.#dirty.length === 0;",
  },
  {
    wrong: "unsaved chunks that were given back are saved",
    ...writer,
    find: "      chunk.dirty = false;\n      chunk.dropped = true;",
    replace: "      chunk.dropped = true;",
  },
];
