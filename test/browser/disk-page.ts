/** What the pages and workers of the disk tests run; the tests reach it as `tools`. */
import fc from "fast-check";
import { deleteIdbDisk, openIdbDisk } from "../../src/backends/disk/idb.ts";
import type { ChunkedDisk } from "../../src/backends/disk/chunked.ts";
import type { DiskErrorKind } from "../../src/backends/disk/errors.ts";
import { DiskService } from "../../src/worker/disk/service.ts";
import { TestBase } from "../unit/disk-base.ts";
import { checkAgainstArray, pattern, read, requireSame, steps, write } from "../unit/disk-model.ts";
import { BLOCK, BLOCKS, OF_BASE, workStep } from "./disk-workload.ts";

export interface Failure {
  kind: DiskErrorKind | undefined;
  message: string;
}

/** What became of a promise, in a form that passes between browser and test. */
async function outcome<T>(action: Promise<T> | undefined): Promise<Failure | "done"> {
  try {
    await action;
    return "done";
  } catch (error) {
    const { kind, message } = error as { kind?: DiskErrorKind; message: string };
    return { kind, message };
  }
}

/** Runs the workload from step `from` on until the browser dies; calls `flushed` with each step that is durable. */
async function work(disk: ChunkedDisk, from: number, flushed: (step: number) => void): Promise<never> {
  for (let k = from; ; k++) {
    const { block, count, flush, wait, drop } = workStep(k);
    const bytes = new Uint8Array(new Uint32Array((count * BLOCK) / 4).fill(k).buffer);
    for (let ready = disk.prepare(block * BLOCK, bytes.length, true); ready;) {
      await ready;
      ready = disk.prepare(block * BLOCK, bytes.length, true);
    }
    if (drop) disk.unmap.range(block * BLOCK, bytes.length);
    else disk.write(block * BLOCK, bytes);
    const done = flush ? disk.flush()?.then(() => flushed(k)) : undefined;
    if (wait) await done;
    else if (k % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** The step number in each block; throws when a block has more than one. */
async function numbers(disk: ChunkedDisk): Promise<number[]> {
  const bytes = await read(disk, 0, BLOCK * BLOCKS);
  const words = new Uint32Array(bytes.buffer);
  return Array.from({ length: BLOCKS }, (_, block) => {
    const inBlock = words.subarray((block * BLOCK) / 4, ((block + 1) * BLOCK) / 4);
    const first = inBlock[0]!;
    if (inBlock.some((word) => word !== first)) throw new Error(`Block ${block} is torn.`);
    return first;
  });
}

/** A base under the workload: every block of it has a number that no step has. */
function workBase(): TestBase {
  const base = new TestBase(BLOCK * BLOCKS);
  new Uint32Array(base.bytes.buffer).fill(OF_BASE);
  return base;
}

const diskTools = {
  testBase: (size: number, seed?: number) => new TestBase(size, seed),
  workBase,
  fc,
  openIdbDisk,
  listDisks: () => new DiskService(() => Promise.reject(new Error("no bases here"))).list(),
  deleteIdbDisk,
  checkAgainstArray,
  pattern,
  read,
  requireSame,
  steps,
  write,
  outcome,
  work,
  numbers,
};

declare global {
  var tools: typeof diskTools;
  /** The disk that the test has open in this page. */
  var disk: ChunkedDisk;
  /** Messages for the person, as "level: text". */
  var messages: string[];
}

// tsx names functions by a helper that does not travel with a function that is sent into the page.
Object.assign(globalThis, { tools: diskTools, messages: [], __name: <T>(value: T): T => value });
