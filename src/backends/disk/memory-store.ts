import type { NamedValue } from "../../virtio/view/types.ts";
import type { HoleStore } from "./chunk-store.ts";
import { DiskError } from "./errors.ts";

/** Chunks in memory, gone with the machine: the changes of a disk that are not to be kept. Whoever opens it knows the holes. */
export class MemoryStore implements HoleStore {
  readonly #chunks = new Map<number, Uint8Array>();

  load(numbers: readonly number[]): Promise<(Uint8Array | DiskError)[]> {
    const chunks = numbers.map(
      (number) =>
        this.#chunks.get(number)?.slice() ?? new DiskError("io", `There is no chunk ${number} in memory.`),
    );
    return Promise.resolve(chunks);
  }

  // Not async: the bytes are to be taken now.
  save(
    chunks: [number: number, data: Uint8Array][],
    removed: readonly number[],
    holes: readonly number[] = [],
  ): Promise<void> {
    let copies: [number, Uint8Array][];
    try {
      copies = chunks.map(([number, data]) => [number, data.slice()]);
    } catch (cause) {
      return Promise.reject(
        new DiskError("full", "There is no memory left for the disk's changes.", { cause }),
      );
    }
    for (const number of removed) this.#chunks.delete(number);
    for (const number of holes) this.#chunks.delete(number);
    for (const [number, data] of copies) this.#chunks.set(number, data);
    return Promise.resolve();
  }

  state(): NamedValue[] {
    return [
      { name: "store", value: "memory" },
      { name: "chunks stored", value: `${this.#chunks.size}` },
    ];
  }

  setCapacity(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#chunks.clear();
  }
}
