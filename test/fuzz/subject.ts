import type { DeviceOptions, VirtioDevice } from "../../src/virtio/device.ts";
import type { Driver } from "../unit/driver/driver.ts";
import type { Segment } from "../unit/driver/queue.ts";
import type { Instruction } from "./program.ts";
import type { Rig } from "./rig.ts";

/** A kind of device under test, with what stands behind it. */
export interface Subject {
  readonly device: VirtioDevice;
  /** Something happens on the host's side, by the numbers of an instruction. */
  host(instruction: Instruction): void;
  /** The driver puts a request of this device's kind into its memory; returns the buffers. */
  request(rig: Rig, instruction: Instruction): Segment[];
  /** The queue to send that to; any unless this says. */
  queueFor?(instruction: Instruction): number;
  /** What the device did to its backend was allowed. @throws Error otherwise. */
  check(): void;
  /** The host's side as it was at the beginning, for `serve`. */
  calm(): void;
  /** A well-behaved driver uses the device, which has to serve it. @throws Error when it does not. */
  serve(driver: Driver): Promise<void>;
}

export type MakeSubject = (options: DeviceOptions, instruction: Instruction) => Subject;

/** Where requests' headers and data are built: the second half of memory. */
export const BUFFERS = 0x10000;

/** Waits a few turns for a promise. @throws Error when nothing comes. */
export async function answered<T>(promise: Promise<T>, what: string): Promise<T> {
  let answer: { value: T } | undefined;
  void promise.then((value) => (answer = { value }));
  for (let turn = 0; turn < 8; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (answer) return answer.value;
  }
  throw new Error(`after the reset a good driver gets no answer: ${what}`);
}

/** @throws Error when it is not so. */
export function expect(good: boolean, what: string): asserts good {
  if (!good) throw new Error(`after the reset a good driver gets something wrong: ${what}`);
}
