/**
 * Writes with sequence numbers, for tests that kill the browser: what step k does is a function of k alone, so that both the
 * browser and the test know what the disk holds after any number of steps.
 */

/** Bytes in a block; every block that step k writes is filled with the number k (32 bits, repeated). */
export const BLOCK = 4096;
export const BLOCKS = 2048;

/** The number in blocks that come from the base. */
export const OF_BASE = 0xffffffff;

export interface WorkStep {
  /** The first block that is written, and how many. */
  block: number;
  count: number;
  /** Whether a flush follows, and whether the next step waits for it. */
  flush: boolean;
  wait: boolean;
  /** Whether the blocks are given back instead: a whole chunk of them, as a discard would. */
  drop: boolean;
}

/** Blocks in what a disk gives back at least. */
const UNIT = 8;

export function workStep(k: number): WorkStep {
  const block = mix(k * 4 + 1) % BLOCKS;
  const longest = mix(k * 4 + 2) % 8 === 0 ? 40 : 4; // some span several chunks
  if (mix(k * 4 + 2) % 5 === 0) {
    const unit = block - (block % UNIT);
    return { block: unit, count: UNIT, flush: mix(k * 4 + 4) % 5 === 0, wait: false, drop: true };
  }
  return {
    drop: false,
    block,
    count: Math.min(1 + (mix(k * 4 + 3) % longest), BLOCKS - block),
    flush: mix(k * 4 + 4) % 5 === 0,
    wait: mix(k * 4 + 4) % 3 === 0,
  };
}

/**
 * Checks that a disk with these numbers in its blocks is as it was after some whole number of steps.
 * Returns that number, the largest if there are several; throws when there is none.
 *
 * @param before the number in every block before the first step: 0, or OF_BASE
 */
export function momentOf(numbers: readonly number[], before = 0): number {
  const newest = numbers.reduce((most, number) => (number === OF_BASE ? most : Math.max(most, number)), 0);
  const expected = new Array<number>(BLOCKS).fill(before);
  const differs = (): number => expected.findIndex((number, block) => numbers[block] !== number);
  let found = differs() === -1 ? 0 : undefined;
  let wrong = -1;
  // Steps after the newest number are there if what they wrote was given back, or if they gave something back.
  for (let k = 1; k <= newest + UNSEEN; k++) {
    const { block, count, drop } = workStep(k);
    expected.fill(drop ? 0 : k, block, block + count);
    if (k < newest) continue;
    const at = differs();
    if (at === -1) found = k;
    if (k === newest) wrong = at;
  }
  if (found !== undefined) return found;
  throw new Error(
    `The disk holds step ${newest}, but block ${wrong} is of step ${numbers[wrong]}, and there is no step at which it is so.`,
  );
}

/** More steps in a row than will ever leave no trace. */
const UNSEEN = 20;

/** A well-mixed number of 32 bits for each integer (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
