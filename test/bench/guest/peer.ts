import type { Cost, Stream } from "./protocol.ts";
import type { PortRange } from "./plain-v86.ts";
import type { Shell } from "./shell.ts";

/** A booted guest on one of the two machines. */
export interface Peer {
  readonly booted: Cost;
  readonly shell: Shell;
  stream(command: string, stream: Stream, expected: string): Promise<Cost>;
  countPorts(ranges: readonly PortRange[]): void;
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** Bytes of guest memory, for both peers. */
export const GUEST_MEMORY = 256 * 2 ** 20;

/** Fills a disk with the same bytes for both peers, so that none of it is a hole. `at` is the position on the disk. */
export function fillPattern(target: Uint8Array, at: number): void {
  const words = new Uint32Array(target.buffer, target.byteOffset, target.byteLength / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(at / 4 + i, 0x9e3779b1);
}

/** Milliseconds until a guest has to be in /init. */
const BOOT_PATIENCE = 180_000;

/** Waits for `reached`; rejects with what the guest said last if it takes too long. */
export async function inTime(reached: Promise<void>, lastWords: () => string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`The guest was not in /init after ${BOOT_PATIENCE / 1000} s:\n${lastWords()}`));
    }, BOOT_PATIENCE);
  });
  try {
    await Promise.race([reached, late]);
  } finally {
    clearTimeout(timer);
  }
}
