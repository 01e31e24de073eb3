/** Random use of a disk, checked against a plain array of bytes. Runs in Node and in the browser. */
import fc from "fast-check";
import type { BlockBackend } from "../../src/virtio/block-backend.ts";

export type Step =
  | { do: "write"; offset: number; length: number; seed: number }
  | { do: "read"; offset: number; length: number }
  /** Gives back whole units around that range, on disks that can. */
  | { do: "unmap"; offset: number; length: number }
  | { do: "flush" }
  | { do: "reopen" };

/** Sequences of steps in a disk of `capacity` bytes, with requests of up to `longest` bytes. */
export function steps(capacity: number, longest: number): fc.Arbitrary<Step[]> {
  const range = fc
    .tuple(fc.nat(capacity - 1), fc.integer({ min: 1, max: longest }))
    .map(([offset, length]) => ({ offset, length: Math.min(length, capacity - offset) }));
  return fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.tuple(range, fc.nat(255)).map(([r, seed]) => ({ do: "write" as const, ...r, seed })),
      },
      { weight: 5, arbitrary: range.map((r) => ({ do: "read" as const, ...r })) },
      { weight: 2, arbitrary: range.map((r) => ({ do: "unmap" as const, ...r })) },
      { weight: 1, arbitrary: fc.constant({ do: "flush" as const }) },
      { weight: 1, arbitrary: fc.constant({ do: "reopen" as const }) },
    ),
    { minLength: 1, maxLength: 60 },
  );
}

/**
 * Runs the steps; `open` opens the same disk every time. Throws where the disk differs from the array, which begins as zeros
 * unless `model` is given.
 */
export async function checkAgainstArray(
  steps: readonly Step[],
  open: () => Promise<BlockBackend>,
  model?: Uint8Array,
): Promise<void> {
  let disk = await open();
  model ??= new Uint8Array(disk.capacity);
  for (const step of steps) {
    switch (step.do) {
      case "write": {
        const bytes = pattern(step.length, step.seed);
        model.set(bytes, step.offset);
        await write(disk, step.offset, bytes);
        bytes.fill(0xee); // guest memory that is reused at once
        break;
      }
      case "read": {
        const expected = model.subarray(step.offset, step.offset + step.length);
        requireSame(await read(disk, step.offset, step.length), expected, `read at ${step.offset}`);
        break;
      }
      case "unmap": {
        if (!disk.unmap) break;
        const { from, length } = units(disk, disk.unmap.unit, step);
        disk.unmap.range(from, length);
        model.fill(0, from, from + length);
        break;
      }
      case "flush":
        await disk.flush();
        break;
      case "reopen":
        await disk.dispose();
        disk = await open();
        break;
    }
  }
  requireSame(await read(disk, 0, disk.capacity), model, "the whole disk");
  await disk.dispose();
}

/** The whole units in which a range lies; the last one may be cut off by the disk's end. */
function units(
  { capacity }: BlockBackend,
  unit: number,
  { offset, length }: { offset: number; length: number },
): { from: number; length: number } {
  const from = Math.floor(offset / unit) * unit;
  const to = Math.min(capacity, Math.ceil((offset + length) / unit) * unit);
  return { from, length: to - from };
}

/** Writes as the block device does: prepare until ready, then at once, in two pieces. */
export async function write(disk: BlockBackend, offset: number, bytes: Uint8Array): Promise<void> {
  for (let wait = disk.prepare(offset, bytes.length, true); wait;) {
    await wait;
    wait = disk.prepare(offset, bytes.length, true);
  }
  const cut = bytes.length >> 1;
  disk.write(offset, bytes.subarray(0, cut));
  disk.write(offset + cut, bytes.subarray(cut));
}

/** Reads as the block device does. */
export async function read(disk: BlockBackend, offset: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length).fill(0xdd);
  for (let wait = disk.prepare(offset, length, false); wait;) {
    await wait;
    wait = disk.prepare(offset, length, false);
  }
  const cut = length >> 1;
  disk.read(offset, target.subarray(0, cut));
  disk.read(offset + cut, target.subarray(cut));
  return target;
}

/** Throws when the two differ, and says where first. */
export function requireSame(actual: Uint8Array, expected: Uint8Array, what: string): void {
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  if (actual.length === expected.length && at === -1) return;
  const values = at === -1 ? `${actual.length} bytes` : `${actual[at]} instead of ${expected[at]} at ${at}`;
  throw new Error(`${what}: ${values}, of ${expected.length} expected bytes`);
}

/** Bytes that differ from place to place and from seed to seed, and that no storage can compress (xorshift). */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return bytes;
}
