import { rootDisk } from "../config/root-disk.ts";
import type { BlockConfig, DeviceConfig, MachineConfig } from "../config/types.ts";
import { BlockDevice } from "../virtio/block.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import { ConsoleDevice, type ConsolePort, type ConsoleSink } from "../virtio/console.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import { EntropyDevice } from "../virtio/entropy.ts";
import type { Observer } from "../virtio/observer.ts";
import { watchStrictly } from "../virtio/strict/auditor.ts";
import { AGENT_PORTS, type ExecOptions, GuestAgent } from "./agent.ts";
import { Board } from "./board.ts";
import { type DeviceDescription, describeDevice } from "./describe.ts";
export type { DeviceDescription } from "./describe.ts";
import type { GuestImage, ImageManifest } from "./image.ts";
import { PanicWatch } from "./panic.ts";
import { SerialOutput } from "./serial.ts";
import { type DriverViolation, ViolationLog } from "./violations.ts";
export type { DriverViolation } from "./violations.ts";

export type MachineState =
  /** Not started, or the power was cut. */
  | { name: "off" }
  /** The CPU runs; the guest's agent has not answered yet. */
  | { name: "booting" }
  | { name: "running" }
  | { name: "paused" }
  /** The guest powered itself off. */
  | { name: "halted" }
  | { name: "crashed"; reason: string };

export interface MachineOptions {
  config: MachineConfig;
  image: GuestImage;
  /** v86.wasm, compiled. */
  wasm: WebAssembly.Module;
  /** What stands behind each block device, by its id. The machine disposes of them. */
  disks: ReadonlyMap<string, BlockBackend>;
  /** The guest's terminal: the earliest kernel messages from the serial port, then hvc0, as one stream. */
  terminal: ConsoleSink;
  /** In characters; 80 by 25 unless given. */
  terminalSize?: { columns: number; rows: number };
  /** Hears everything that crosses the line between guest and hypervisor. */
  observer?: Observer;
  onState?: (state: MachineState) => void;
  /** Something that the person in front of the machine should know. */
  onMessage?: (level: "info" | "warning" | "error", text: string) => void;
  /** Told of each new entry of `violations`, whose text `onMessage` gets, too. */
  onViolation?: (violation: DriverViolation) => void;
}

export interface MachineCounters {
  /** Guest instructions since power-on. */
  instructions: number;
  /** Since the machine was made, over all devices. `accesses` are to their registers, doorbells included. */
  accesses: number;
  kicks: number;
  interrupts: number;
  suppressedInterrupts: number;
  chains: number;
  /** Violations of the specification by the guest's drivers. */
  violations: number;
}

const POWER_OFF_GRACE = 10_000;

/** A paravirtual PC: v86's CPU, our buses, and the virtio devices of a configuration. */
export class Machine {
  readonly #options: MachineOptions;
  readonly #devices: { config: DeviceConfig; device: VirtioDevice }[];
  readonly #console: ConsoleDevice | undefined;
  readonly #agent: GuestAgent | undefined;
  readonly #serial: SerialOutput;
  readonly #violations = new ViolationLog();
  #board: Board | undefined;
  #state: MachineState = { name: "off" };
  #pausedFrom: MachineState | undefined;
  #disposed = false;
  /** Counts what cuts the power: a start that finds it changed was overtaken, and leaves the machine as it is. */
  #powerCuts = 0;
  #starting: Promise<void> = Promise.resolve();

  /** @throws RangeError when a block device of the configuration has no disk. */
  constructor(options: MachineOptions) {
    this.#options = options;
    const panic = new PanicWatch((reason) => this.#crashed(`Kernel panic: ${reason}`));
    const terminal: ConsoleSink = {
      write: (data) => {
        panic.look(data);
        return options.terminal.write(data);
      },
    };
    this.#serial = new SerialOutput(terminal, (hold) => (hold ? this.#board?.cpu.stop() : this.#continue()));
    this.#devices = options.config.devices.map((config) => ({ config, device: this.#newDevice(config) }));
    this.#console = this.#devices
      .map(({ device }) => device)
      .find((device) => device instanceof ConsoleDevice);
    if (this.#console) this.#agent = this.#wireConsole(this.#console, terminal);
  }

  get state(): MachineState {
    return this.#state;
  }

  /** What the guest's drivers broke so far, each once for each device and queue; with `strict`, whatever can be seen. */
  get violations(): readonly DriverViolation[] {
    return this.#violations.all;
  }

  /**
   * Switches the machine on: a new CPU, the guest loaded, running. Rejects with ImageError, V86ContractError or
   * RangeError (memory), each with a plain sentence; the machine is off then. Resolves without a guest when another
   * start, or power-off, comes before this one is done.
   */
  async start(): Promise<void> {
    if (this.#disposed) throw new Error("The machine has been disposed of.");
    this.#cutPower("The machine was restarted.", false);
    const powerCuts = this.#powerCuts;
    // One after the other: a new board takes the devices, and two guests must never have them both.
    const start = this.#starting.then(() => this.#powerUp(powerCuts));
    this.#starting = start.catch(() => undefined);
    await start;
  }

  /** Stops the guest where it is. */
  pause(): void {
    if (this.#state.name !== "booting" && this.#state.name !== "running") return;
    this.#pausedFrom = this.#state;
    this.#board?.cpu.stop();
    this.#setState({ name: "paused" });
  }

  resume(): void {
    if (this.#state.name !== "paused") return;
    this.#setState(this.#pausedFrom ?? { name: "running" });
    this.#continue();
  }

  /**
   * Asks the guest to power off through its agent; cuts the power after `graceMs` milliseconds (10,000 unless given), or
   * at once when no agent answers. Resolves when the machine is off and its disks are flushed.
   */
  async powerOff({ graceMs = POWER_OFF_GRACE }: { graceMs?: number } = {}): Promise<void> {
    this.resume();
    if (this.#agent?.ready && this.#state.name === "running") await this.#askToPowerOff(graceMs);
    this.#cutPower("The machine was switched off.", true);
    if (this.#state.name !== "halted") this.#setState({ name: "off" });
    await this.#settleDisks((disk) => disk.flush());
  }

  /** The reset button. */
  async reset(): Promise<void> {
    await this.start();
  }

  /** Bytes typed at the terminal. The promise resolves when the guest has taken them. */
  type(data: Uint8Array): Promise<void> {
    return this.#console?.ports[0]?.send(data.slice()) ?? Promise.resolve();
  }

  /** In characters. */
  resizeTerminal(columns: number, rows: number): void {
    this.#console?.resize(columns, rows);
  }

  /**
   * Runs a shell command in the guest through its agent; resolves with its exit status. Waits for the guest to be up.
   * Rejects with GuestGoneError when the guest goes away.
   */
  exec(command: string, options?: ExecOptions): Promise<number> {
    if (!this.#agent)
      return Promise.reject(new Error("This machine has no console device, so no agent to run commands."));
    if (this.#state.name === "off" || this.#state.name === "halted" || this.#state.name === "crashed") {
      return Promise.reject(new Error(`The machine is ${this.#state.name}: it runs no commands.`));
    }
    return this.#agent.run(command, options);
  }

  /** What runs on which transport. */
  describe(): DeviceDescription[] {
    return this.#devices.map(({ config, device }, index) =>
      describeDevice(config, device, this.#board?.places[index]),
    );
  }

  counters(): MachineCounters {
    const total = { accesses: 0, kicks: 0, interrupts: 0, suppressedInterrupts: 0, chains: 0, violations: 0 };
    for (const { device } of this.#devices) {
      total.accesses += device.accesses;
      total.violations += device.violations;
      for (const { counters } of device.queues) {
        total.kicks += counters.kicks;
        total.chains += counters.chains;
        total.interrupts += counters.interrupts;
        total.suppressedInterrupts += counters.suppressedInterrupts;
      }
    }
    return { instructions: this.#board?.cpu.instructions ?? 0, ...total };
  }

  /** Switches off without asking the guest, and closes the disks (what was flushed is durable). */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#cutPower("The machine was closed.", true);
    await this.#settleDisks((disk) => disk.dispose());
  }

  #newDevice(config: DeviceConfig): VirtioDevice {
    const device = this.#newModel(config);
    device.name = config.device === "blk" ? `blk ${config.id}` : config.device;
    device.observer = this.#options.observer;
    device.onViolation = (violation) => {
      const found = this.#violations.add(device, violation);
      if (found) this.#reportViolation(found);
    };
    if (this.#options.config.strict)
      watchStrictly(device, config.transport.startsWith("pci") ? "pci" : "mmio");
    return device;
  }

  #newModel(config: DeviceConfig): VirtioDevice {
    switch (config.device) {
      case "blk":
        return new BlockDevice({ ...config, backend: this.#disk(config) });
      case "console":
        return new ConsoleDevice([{ console: true }, ...AGENT_PORTS.map((name) => ({ name }))], config);
      case "rng":
        return new EntropyDevice(
          (target) => crypto.getRandomValues(target as Uint8Array<ArrayBuffer>),
          config,
        );
    }
  }

  #disk({ id }: BlockConfig): BlockBackend {
    const disk = this.#options.disks.get(id);
    if (!disk) throw new RangeError(`There is no disk for the block device "${id}".`);
    return disk;
  }

  #wireConsole(device: ConsoleDevice, terminal: ConsoleSink): GuestAgent {
    const [login, ...named] = device.ports as [ConsolePort, ...ConsolePort[]];
    login.connect(terminal);
    const { columns, rows } = this.#options.terminalSize ?? { columns: 80, rows: 25 };
    device.resize(columns, rows);
    return new GuestAgent(named, () => {
      if (this.#state.name === "booting") this.#setState({ name: "running" });
    });
  }

  async #powerUp(powerCuts: number): Promise<void> {
    if (powerCuts !== this.#powerCuts) return;
    const board = await Board.create({
      memory: this.#options.config.memory,
      wasm: this.#options.wasm,
      devices: this.#devices.map(({ config: { transport, vectors }, device }) => ({
        device,
        transport,
        vectors,
      })),
      mmio: this.#options.config.mmio,
      onSerial: (byte) => this.#serial.put(byte),
      onPowerOff: () => this.#halted(),
      onReset: () => void this.#restart(),
      onCrash: (error) => this.#crashed(describeError(error)),
    });
    if (powerCuts !== this.#powerCuts) {
      board.dispose();
      return;
    }
    try {
      const { config, image } = this.#options;
      board.load(image, [...rootParameter(config, image.manifest), config.append].join(" "));
    } catch (error) {
      board.dispose();
      throw error;
    }
    this.#board = board;
    this.#setState({ name: "booting" });
    board.cpu.run();
  }

  async #restart(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      this.#crashed(describeError(error));
    }
  }

  async #askToPowerOff(graceMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const giveUp = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
    const off = new Promise<void>((resolve) => (this.#onOff = resolve));
    // The command's own end says nothing: the guest goes down some time after it, and takes the agent along.
    this.#agent?.run("poweroff").catch(() => undefined);
    await Promise.race([off, giveUp]);
    clearTimeout(timer);
    this.#onOff = undefined;
  }

  #onOff: (() => void) | undefined;

  #continue(): void {
    if (this.#state.name === "booting" || this.#state.name === "running") this.#board?.cpu.run();
  }

  #halted(): void {
    this.#cutPower("The guest powered off.", true);
    this.#setState({ name: "halted" });
    void this.#settleDisks((disk) => disk.flush());
  }

  #crashed(reason: string): void {
    if (this.#state.name === "crashed") return;
    this.#board?.cpu.stop();
    this.#setState({ name: "crashed", reason });
    this.#agent?.gone(reason, true);
  }

  #cutPower(reason: string, forGood: boolean): void {
    this.#powerCuts++;
    this.#serial.flush();
    this.#board?.dispose();
    this.#board = undefined;
    for (const port of this.#console?.ports ?? []) port.discardInput();
    this.#agent?.gone(reason, forGood);
  }

  /** A disk that fails is told to the person and does not keep the others from being flushed or closed. */
  async #settleDisks(work: (disk: BlockBackend) => Promise<void> | undefined): Promise<void> {
    const disks = [...this.#options.disks.values()];
    const results = await Promise.allSettled(disks.map(async (disk) => work(disk)));
    for (const result of results) {
      if (result.status === "rejected") this.#options.onMessage?.("error", describeError(result.reason));
    }
  }

  #setState(state: MachineState): void {
    this.#state = state;
    this.#options.onState?.(state);
    if (state.name !== "running" && state.name !== "booting") this.#onOff?.();
  }

  #reportViolation(violation: DriverViolation): void {
    this.#options.onMessage?.("warning", violation.text);
    this.#options.onViolation?.(violation);
  }
}

/** Tells the image's initramfs the serial number of its root disk. */
function rootParameter(config: MachineConfig, { disk }: ImageManifest): string[] {
  const root = disk && rootDisk(config);
  return root ? [`ringside.root=${root.id}`] : [];
}

function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
