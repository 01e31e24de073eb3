import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { parseConfig } from "../../src/config/grammar.ts";
import { Machine, type MachineState } from "../../src/machine/machine.ts";
import { openDisks } from "../../src/node/disks.ts";
import { IMAGES_FOLDER, loadImage } from "../../src/node/images.ts";
import { CollectingSink } from "../../src/node/sinks.ts";
import { loadWasm } from "../../src/node/wasm.ts";
import { openWires } from "../../src/node/wires.ts";
import type { VirtioEvent } from "../../src/virtio/observer.ts";
import { within } from "./support.ts";

/** Why the machine stands still, and how far it had come. */
export interface Stop {
  event: VirtioEvent | undefined;
  why: string | undefined;
  instructions: number;
}

/** A machine with its debugger, and all of its guest's memory at hand. Dispose of it. */
export interface SteppedGuest extends AsyncDisposable {
  machine: Machine;
  states: MachineState["name"][];
  messages: string[];
  memory: () => Uint8Array;
  sh: (command: string) => Promise<string>;
  /** The next stop, from now on. */
  nextStop: () => Promise<Stop>;
}

export async function bootStepped(text: string): Promise<SteppedGuest> {
  await ensureImages(["debian-busybox"], streamProgress(process.stderr, ""));
  const config = parseConfig(text, "node");
  const [image, wasm] = await Promise.all([loadImage(config.image, IMAGES_FOLDER), loadWasm()]);
  const messages: string[] = [];
  const states: MachineState["name"][] = [];
  const surroundings = { images: IMAGES_FOLDER, onMessage: (_: string, line: string) => messages.push(line) };
  let memory: () => Uint8Array = () => new Uint8Array();
  const machine = new Machine({
    config,
    image,
    wasm,
    disks: await openDisks(config, surroundings),
    wires: openWires(config, surroundings),
    terminal: { write: () => undefined },
    onMessage: (level, line) => void messages.push(`${level}: ${line}`),
    onState: ({ name }) => void states.push(name),
  });
  let stopped: ((stop: Stop) => void) | undefined;
  machine.debugger.onStop = (event, why) => {
    stopped?.({ event, why, instructions: machine.counters().instructions });
    stopped = undefined;
  };
  const { instantiate } = WebAssembly;
  try {
    WebAssembly.instantiate = (async (module: WebAssembly.Module, imports: WebAssembly.Imports) => {
      const { exports } = await instantiate(module, imports);
      if (!exports.allocate_memory) return { exports }; // a piece of compiled guest code
      const allocate = exports.allocate_memory as (bytes: number) => number;
      const allocated = (bytes: number): number => {
        const start = allocate(bytes);
        memory = () => new Uint8Array((exports.memory as WebAssembly.Memory).buffer, start, bytes);
        return start;
      };
      return { exports: { ...exports, allocate_memory: allocated } };
    }) as typeof instantiate;
    await machine.start();
  } finally {
    WebAssembly.instantiate = instantiate;
  }
  return {
    machine,
    states,
    messages,
    memory: () => memory(),
    sh: async (command) => {
      const stdout = new CollectingSink(1 << 20, () => undefined);
      const stderr = new CollectingSink(1 << 20, () => undefined);
      const status = await within(machine.exec(command, { stdout, stderr }), command);
      if (status !== 0) throw new Error(`"${command}" ended with ${status}: ${stderr.text()}`);
      return stdout.text().trimEnd();
    },
    nextStop: () =>
      within(
        new Promise((resolve) => {
          stopped = resolve;
        }),
        "a stop",
      ),
    [Symbol.asyncDispose]: () => machine.dispose(),
  };
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
