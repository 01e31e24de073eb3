/**
 * Writes with sequence numbers, for tests that kill the browser: what step k does is a function of k alone, so that both the
 * browser and the test know what the disk holds after any number of steps.
 */

/** Bytes in a block; every block that step k writes is filled with the number k (32 bits, repeated). */
export const BLOCK = 4096;
export const BLOCKS = 2048;

export interface WorkStep {
  /** The first block that is written, and how many. */
  block: number;
  count: number;
  /** Whether a flush follows, and whether the next step waits for it. */
  flush: boolean;
  wait: boolean;
}

export function workStep(k: number): WorkStep {
  const block = mix(k * 4 + 1) % BLOCKS;
  const longest = mix(k * 4 + 2) % 8 === 0 ? 40 : 4; // some span several chunks
  return {
    block,
    count: Math.min(1 + (mix(k * 4 + 3) % longest), BLOCKS - block),
    flush: mix(k * 4 + 4) % 5 === 0,
    wait: mix(k * 4 + 4) % 3 === 0,
  };
}

/**
 * Checks that a disk with these numbers in its blocks is as it was after some whole number of steps.
 * Returns that number; throws when there is none.
 */
export function momentOf(numbers: readonly number[]): number {
  const moment = numbers.reduce((most, number) => Math.max(most, number), 0);
  const expected = new Array<number>(BLOCKS).fill(0);
  for (let k = 1; k <= moment; k++) {
    const { block, count } = workStep(k);
    expected.fill(k, block, block + count);
  }
  const wrong = expected.findIndex((number, block) => numbers[block] !== number);
  if (wrong === -1) return moment;
  throw new Error(
    `The disk holds step ${moment}, but block ${wrong} is of step ${numbers[wrong]}, not ${expected[wrong]}.`,
  );
}

/** A well-mixed number of 32 bits for each integer (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
