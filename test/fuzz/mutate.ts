import { HEADER_BYTES, INSTRUCTION_BYTES, LONGEST } from "./program.ts";
import type { Random } from "./random.ts";

const INTERESTING = [0, 1, 2, 4, 7, 8, 15, 16, 63, 64, 127, 128, 129, 200, 254, 255];

/** A new input from an old one, by a few random changes, some of which bring in parts of `other`. */
export function mutate(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let output: Uint8Array = input.slice();
  for (let changes = 1 + random.below(6); changes > 0; changes--) output = change(output, other, random);
  return output.subarray(0, HEADER_BYTES + LONGEST * INSTRUCTION_BYTES);
}

/** A random program that begins by setting the device up: what to start from. */
export function fresh(random: Random, setUp: number, count: number): Uint8Array {
  const input = random.bytes(HEADER_BYTES + count * INSTRUCTION_BYTES);
  input.set([setUp, 8, 0, 0, random.below(9), 0, 0, 0], HEADER_BYTES);
  return input;
}

function change(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const count = Math.floor((input.length - HEADER_BYTES) / INSTRUCTION_BYTES);
  switch (random.below(count > 0 ? 9 : 2)) {
    case 0: // the header
      input[random.below(Math.min(5, input.length))] = random.below(256);
      return input;
    case 1: // new instructions, or those of another input
      return insert(input, random.below(count + 1), some(other, random), random);
    case 2: // the same again
      return insert(input, random.below(count + 1), some(input, random), random);
    case 3: // fewer
      return remove(input, random.below(count), 1 + random.below(Math.min(8, count)));
    case 4: // in another order
      return insert(remove(input, random.below(count), 1), random.below(count), some(input, random), random);
    default: {
      const at = HEADER_BYTES + random.below(input.length - HEADER_BYTES);
      if (random.below(3) === 0) input[at]! ^= 1 << random.below(8);
      else if (random.below(2)) input[at] = INTERESTING[random.below(INTERESTING.length)]!;
      else input[at] = random.below(256);
      return input;
    }
  }
}

/** Up to eight instructions of an input in a row, or random ones. */
function some(input: Uint8Array, random: Random): Uint8Array {
  const count = Math.floor((input.length - HEADER_BYTES) / INSTRUCTION_BYTES);
  if (count <= 0 || random.below(3) === 0) return random.bytes(INSTRUCTION_BYTES * (1 + random.below(4)));
  const first = random.below(count);
  const end = Math.min(count, first + 1 + random.below(8));
  return input.slice(HEADER_BYTES + first * INSTRUCTION_BYTES, HEADER_BYTES + end * INSTRUCTION_BYTES);
}

function insert(input: Uint8Array, before: number, part: Uint8Array, random: Random): Uint8Array {
  const at = HEADER_BYTES + before * INSTRUCTION_BYTES;
  const times = random.below(8) === 0 ? 1 + random.below(8) : 1;
  const output = new Uint8Array(Math.max(at, input.length) + times * part.length);
  output.set(input.subarray(0, at));
  for (let i = 0; i < times; i++) output.set(part, at + i * part.length);
  output.set(input.subarray(at), at + times * part.length);
  return output;
}

/** The input without some of its instructions. */
export function remove(input: Uint8Array, first: number, count: number): Uint8Array {
  const start = HEADER_BYTES + first * INSTRUCTION_BYTES;
  const end = Math.min(input.length, start + count * INSTRUCTION_BYTES);
  const output = new Uint8Array(input.length - Math.max(0, end - start));
  output.set(input.subarray(0, start));
  output.set(input.subarray(end), start);
  return output;
}
