/** One instruction of a fuzzer's input: eight bytes, so that cutting and joining inputs keeps the others as they are. */
export interface Instruction {
  op: number;
  a: number;
  /** 16 bits. */
  b: number;
  /** 32 bits. */
  c: number;
}

export const INSTRUCTION_BYTES = 8;
/** Bytes before the first instruction, which choose what is under test. */
export const HEADER_BYTES = 8;
/** Instructions after this many are not executed. */
export const LONGEST = 256;

/** The whole instructions of an input. */
export function instructions(input: Uint8Array): Instruction[] {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const program: Instruction[] = [];
  const end = Math.min(input.length, HEADER_BYTES + LONGEST * INSTRUCTION_BYTES);
  for (let at = HEADER_BYTES; at + INSTRUCTION_BYTES <= end; at += INSTRUCTION_BYTES) {
    program.push({
      op: view.getUint8(at),
      a: view.getUint8(at + 1),
      b: view.getUint16(at + 2, true),
      c: view.getUint32(at + 4, true),
    });
  }
  return program;
}

/** One of several, by any number. */
export function pick<T>(choices: readonly T[], number: number): T {
  return choices[number % choices.length]!;
}
