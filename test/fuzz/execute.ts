import type { DeviceOptions } from "../../src/virtio/device.ts";
import { GuardMemory } from "./guard-memory.ts";
import { HostileDriver } from "./hostile-driver.ts";
import { bytesInUse, checkMemory } from "./memory-bound.ts";
import { HEADER_BYTES, instructions, pick } from "./program.ts";
import { Rig } from "./rig.ts";
import type { Target } from "./targets.ts";
import { work } from "./work.ts";

const memory = new GuardMemory();

/**
 * Runs one input against fresh devices: a hostile driver first, then a reset, then a good driver that wants to be served.
 * Returns what a fuzzer may take for progress: the mistakes that the device named, and how much work it got.
 * @throws Error when an invariant was broken.
 */
export async function execute(target: Target, input: Uint8Array): Promise<string[]> {
  let stray: unknown;
  const onStray = (error: unknown): void => void (stray ??= error);
  process.on("uncaughtException", onStray).on("unhandledRejection", onStray);
  try {
    const before = bytesInUse();
    const traits = await attack(target, input);
    checkMemory(before);
    if (stray !== undefined)
      throw stray instanceof Error ? stray : new Error("something else than an error was thrown");
    return traits;
  } finally {
    process.off("uncaughtException", onStray).off("unhandledRejection", onStray);
  }
}

async function attack(target: Target, input: Uint8Array): Promise<string[]> {
  const header = new Uint8Array(HEADER_BYTES);
  header.set(input.subarray(0, HEADER_BYTES));
  const [kind = 0, which = 0, without = 0, own = 0, watch = 0] = header;
  memory.clear();
  const subject = pick(target.subjects, which)(options(target, without), { op: 0, a: own, b: 0, c: 0 });
  const traits = new Set<string>();
  subject.device.onViolation = ({ sentence }) => traits.add(`violation ${sentence}`);
  const before = { ...work };
  const rig = new Rig(memory, subject.device, pick(target.kinds, kind), {
    observed: (watch & 1) === 1,
    strict: (watch & 6) === 6,
  });
  const driver = new HostileDriver(rig, subject);
  for (const instruction of instructions(input)) {
    const done = driver.actions[pick(target.actions, instruction.op)](instruction);
    if (done) await done;
    subject.check();
  }
  await rig.turn();
  traits.add(`chains ${magnitude(work.chains - before.chains)}`);
  traits.add(`descriptors ${magnitude(work.descriptors - before.descriptors)}`);

  await rig.end();
  await rig.turn(() => subject.calm());
  rig.driver.start();
  await subject.serve(rig.driver);
  subject.check();
  return [...traits];
}

/** What the device offers: all that the target has, less what a byte of the input takes away. */
function options({ device }: Target, without: number): DeviceOptions {
  const names = [
    "packed",
    "inOrder",
    "eventIdx",
    "indirect",
    "notificationData",
    "notifConfigData",
    "ringReset",
  ] as const;
  const options: DeviceOptions = { ...device };
  names.forEach((name, bit) => {
    if ((without >>> bit) & 1) options[name] = false;
  });
  return options;
}

function magnitude(count: number): number {
  return Math.ceil(Math.log2(count + 1));
}
