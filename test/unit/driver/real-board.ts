import type { VirtioDevice } from "../../../src/virtio/device.ts";
import type { MmioAnnouncement, Transport } from "../../../src/config/types.ts";
import { Board, type BoardOptions } from "../../../src/machine/board.ts";
import { loadWasm } from "../../../src/node/wasm.ts";
import { END, type GuestCode, RESULTS } from "./guest-code.ts";

const MEMORY = 16 << 20;
const TIMEOUT = 20_000;

/** Exports of v86's WebAssembly that tests compare with. */
export interface V86Exports {
  device_raise_irq(irq: number): void;
  device_lower_irq(irq: number): void;
}

/** A board with v86's CPU on it, for programs of a few instructions. */
export class RealBoard {
  readonly board: Board;
  readonly exports: V86Exports;
  /** What happened: "power off", "reset", or an error. */
  readonly events: string[];
  #onEvent: () => void = () => undefined;

  static async create(
    devices: { device: VirtioDevice; transport: Transport }[] = [],
    mmio: MmioAnnouncement = "acpi",
  ): Promise<RealBoard> {
    const wasm = await loadWasm();
    const events: string[] = [];
    const watcher: { onEvent?: () => void } = {};
    const tell = (event: string): void => {
      events.push(event);
      watcher.onEvent?.();
    };
    const options: BoardOptions = {
      memory: MEMORY,
      wasm,
      devices,
      mmio,
      onSerial: (byte) => {
        if (byte === END) tell("end");
      },
      onPowerOff: () => tell("power off"),
      onReset: () => tell("reset"),
      onCrash: (error) => tell(`crash: ${String(error)}`),
    };
    const { result, exports } = await withExports(() => Board.create(options));
    const real = new RealBoard(result, exports, events);
    watcher.onEvent = () => real.#onEvent();
    return real;
  }

  private constructor(board: Board, exports: V86Exports, events: string[]) {
    this.board = board;
    this.exports = exports;
    this.events = events;
  }

  /** Runs a program to its end (or power-off, or reset); resolves with what it left in RESULTS. */
  async run(code: GuestCode): Promise<number[]> {
    const { cpu } = this.board;
    this.board.load({ kernel: code.kernel(), initrd: new Uint8Array(1), manifest: {} as never }, "");
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the program did not end")), TIMEOUT);
      this.#onEvent = () => {
        clearTimeout(timer);
        resolve();
      };
      cpu.run();
    });
    cpu.stop();
    return [...cpu.memory.u32.subarray(RESULTS / 4, RESULTS / 4 + code.results)];
  }

  dispose(): void {
    this.board.dispose();
  }
}

/** v86 keeps its WebAssembly instance to itself; here it is caught when it is made. */
async function withExports<T>(make: () => Promise<T>): Promise<{ result: T; exports: V86Exports }> {
  const instantiate = WebAssembly.instantiate;
  const made: WebAssembly.Instance[] = [];
  Object.assign(WebAssembly, {
    instantiate: async (module: WebAssembly.Module, imports: WebAssembly.Imports) => {
      const instance = await instantiate(module, imports);
      made.push(instance);
      return instance;
    },
  });
  try {
    const result = await make();
    return { result, exports: made[0]!.exports as unknown as V86Exports };
  } finally {
    Object.assign(WebAssembly, { instantiate });
  }
}
