/** A base for tests. Runs in Node and in the browser. */
import type { DiskBase } from "../../src/backends/disk/base.ts";
import { pattern } from "./disk-model.ts";

/** A base of random bytes with zeros in its second quarter, whose answers the test holds back, or lets fail. */
export class TestBase implements DiskBase {
  readonly label = 'The image "test"';
  readonly identity: string;
  readonly bytes: Uint8Array;
  readonly reads: { offset: number; length: number }[] = [];
  disposed = 0;
  /** What reads wait for before they answer. */
  gate: ((offset: number) => Promise<void>) | undefined;

  constructor(size: number, seed = 1) {
    this.bytes = pattern(size, seed);
    this.bytes.fill(0, this.#quarter, 2 * this.#quarter);
    this.identity = `test-${size}-${seed}`;
  }

  get size(): number {
    return this.bytes.length;
  }

  get #quarter(): number {
    return Math.floor(this.bytes.length / 4 / 512) * 512;
  }

  holds(offset: number, length: number): boolean {
    return this.bytes.subarray(offset, offset + length).some((byte) => byte !== 0);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.reads.push({ offset, length });
    await this.gate?.(offset);
    const bytes = new Uint8Array(length);
    bytes.set(this.bytes.subarray(offset, offset + length));
    return bytes;
  }

  dispose(): Promise<void> {
    this.disposed++;
    return Promise.resolve();
  }
}
