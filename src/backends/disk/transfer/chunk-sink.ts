import type { ChunkStore } from "../chunk-store.ts";
import { type Piece, isZero } from "./source.ts";

/** Bytes that one transaction saves: large enough to make good use of it. One is under way while the next fills. */
const BATCH = 4 * 1024 * 1024;

/** Writes a disk into an empty store, from its beginning to its end; chunks of zeros are not stored. */
export class ChunkSink {
  readonly #store: Pick<ChunkStore, "save">;
  readonly #chunkSize: number;
  /** The chunk that is being put together. */
  #number = 0;
  #chunk: Uint8Array;
  #batch: [number: number, data: Uint8Array][] = [];
  #saving: Promise<void> = Promise.resolve();

  constructor(store: Pick<ChunkStore, "save">, chunkSize: number) {
    this.#store = store;
    this.#chunkSize = chunkSize;
    this.#chunk = new Uint8Array(chunkSize);
  }

  /** Takes the next bytes; resolves when there is room for more. Rejects with the store's DiskError. */
  async put({ offset, data }: Piece): Promise<void> {
    const size = this.#chunkSize;
    for (let done = 0; done < data.length;) {
      const number = Math.floor((offset + done) / size);
      if (number !== this.#number) this.#next(number);
      const at = (offset + done) % size;
      const part = data.subarray(done, done + size - at);
      this.#chunk.set(part, at);
      done += part.length;
      if (this.#batch.length * size >= BATCH) await this.#save();
    }
  }

  /** Resolves when all is durable. */
  async end(): Promise<void> {
    this.#next(this.#number);
    await this.#save();
    await this.#saving;
  }

  #next(number: number): void {
    if (!isZero(this.#chunk)) {
      this.#batch.push([this.#number, this.#chunk]);
      this.#chunk = new Uint8Array(this.#chunkSize);
    }
    this.#number = number;
  }

  async #save(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    await this.#saving;
    if (batch.length === 0) return;
    this.#saving = this.#store.save(batch, []);
    this.#saving.catch(() => undefined); // whoever puts or ends next is told
  }
}
