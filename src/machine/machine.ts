import { rootDisk } from "../config/root-disk.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import type { ConsoleDevice, ConsolePort, ConsoleSink } from "../virtio/console.ts";
import type { PacketTap } from "../virtio/net.ts";
import type { NetBackend } from "../virtio/net-backend.ts";
import type { Observer, VirtioEvent } from "../virtio/observer.ts";
import { queueView } from "../virtio/view/queue-view.ts";
import type { DeviceView, QueueView } from "../virtio/view/types.ts";
import { type ExecOptions, GuestAgent } from "./agent.ts";
import { Board } from "./board.ts";
import type { DeviceDescription, NetworkDescription } from "./describe.ts";
export type { DeviceDescription, NetworkDescription } from "./describe.ts";
import { Debugger } from "./debugger.ts";
import { type DeviceCounters, DeviceSet } from "./device-set.ts";
import { errorText } from "./error-text.ts";
import { GuestEnd } from "./guest-life.ts";
import { type AttachOptions, type DetachOptions, HotPlug } from "./hot-plug.ts";
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
  /** What each network device is plugged into, by its id; one that is absent has no carrier. The machine disposes of them. */
  wires?: ReadonlyMap<string, NetBackend>;
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

export interface MachineCounters extends DeviceCounters {
  /** Guest instructions since power-on. */
  instructions: number;
}

const POWER_OFF_GRACE = 30_000;

/** A paravirtual PC: v86's CPU, our buses, and the virtio devices of a configuration. */
export class Machine {
  /** Stops it at events, and steps from one to another. */
  readonly debugger: Debugger;

  readonly #options: MachineOptions;
  readonly #devices: DeviceSet;
  readonly #console: ConsoleDevice | undefined;
  readonly #agent: GuestAgent | undefined;
  readonly #serial: SerialOutput;
  readonly #violations = new ViolationLog();
  readonly #hotPlug: HotPlug;
  #observer: Observer | undefined;
  #board: Board | undefined;
  /** Aborted when the guest on the board is gone. */
  #guest: AbortController | undefined;
  #state: MachineState = { name: "off" };
  #pausedFrom: MachineState | undefined;
  #disposed = false;
  /** Counts what cuts the power: a start that finds it changed was overtaken, and leaves the machine as it is. */
  #powerCuts = 0;
  #starting: Promise<void> = Promise.resolve();
  /** Counts starts that were asked for, not those of the guest: they overtake a power-off. */
  #starts = 0;
  /** Wake the power-offs that wait for the guest. */
  readonly #powerOffs = new Set<() => void>();

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
    this.debugger = new Debugger({
      board: () => this.#board,
      device: (name) => this.#devices.all.find(({ device }) => device.name === name)?.device,
      stopped: () => this.#stopped(),
      runs: () => this.#goesOn(),
      watchChanged: () => this.#listen(),
      tell: (event) => this.#tell(event),
    });
    this.#devices = new DeviceSet({
      ...options.config,
      disks: options.disks,
      wires: options.wires ?? new Map(),
      gate: this.debugger.gate,
      onViolation: (device, violation) => {
        const found = this.#violations.add(device, violation);
        if (found) this.#reportViolation(found);
      },
    });
    this.#listen();
    this.#console = this.#devices.console;
    if (this.#console) this.#agent = this.#wireConsole(this.#console, terminal);
    this.#hotPlug = new HotPlug({
      devices: this.#devices,
      agent: this.#agent,
      now: () => ({
        board: this.#board,
        guest: this.#guest?.signal,
        paused: this.#state.name === "paused",
      }),
      inTurn: (work) => this.#inTurn(work),
      tell: (level, text) => options.onMessage?.(level, text),
    });
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
  start(): Promise<void> {
    this.#starts++;
    this.#endPowerOffs(); // those that still wait for the guest are overtaken
    return this.#startGuest();
  }

  /**
   * Stops the guest where it is, at once; its clock stands still, too. What its devices complete meanwhile waits: guest memory
   * does not change, but for the buffers of requests that a device has.
   */
  pause(): void {
    if (this.#state.name === "booting" || this.#state.name === "running") this.debugger.pause();
  }

  /** Lets the guest go on, also one that a breakpoint or a step has stopped. */
  resume(): void {
    if (this.#state.name === "paused") this.debugger.resume();
  }

  /** Has everything that crosses the line go to `observer`, besides that of the options; undefined ends it. */
  observe(observer: Observer | undefined): void {
    this.#observer = observer;
    this.#listen();
  }

  /**
   * Asks the guest to power off through its agent; cuts the power after `graceMs` milliseconds (30,000 unless given), or
   * at once when no agent answers. Resolves when the machine is off and its disks are flushed, or when it is started again
   * meanwhile.
   */
  async powerOff({ graceMs = POWER_OFF_GRACE }: { graceMs?: number } = {}): Promise<void> {
    this.debugger.release(); // no breakpoint keeps it from going down
    if (this.#state.name === "paused") this.#goesOn();
    const starts = this.#starts;
    if (this.#agent?.ready && this.#state.name === "running") await this.#askToPowerOff(graceMs);
    if (starts !== this.#starts) return;
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

  /**
   * Gives the machine one more disk, which it owns from now on and disposes of, also when this rejects. A guest that runs is
   * told by its agent to look for it on PCI: resolves when its driver is ready. A machine that is off, or whose guest is
   * reset meanwhile, has the disk at its start. Rejects with HotPlugError when the guest does not take it, goes away, or is
   * paused, and when there is such a disk or no room; the machine is as before then. One attach or detach after the other.
   */
  attach(config: BlockConfig, disk: BlockBackend, options: AttachOptions = {}): Promise<void> {
    return this.#hotPlug.attach(config, disk, options);
  }

  /**
   * Takes a disk out of the machine, on PCI while a guest runs: resolves when the guest has let go of it and all that was
   * written is saved. Rejects with HotPlugError, and the disk stays, when the guest uses it and `force` does not say that
   * this is no matter. Only a disk that could not be saved leaves the machine all the same.
   */
  detach(id: string, options: DetachOptions = {}): Promise<void> {
    return this.#hotPlug.detach(id, options);
  }

  /** As it is now: disks come and go. */
  get config(): MachineConfig {
    return { ...this.#options.config, devices: this.#devices.all.map(({ config }) => config) };
  }

  /** What runs on which transport. */
  describe(): DeviceDescription[] {
    return this.#devices.describe(this.#board);
  }

  /** The network devices, and what went through them. */
  networks(): NetworkDescription[] {
    return this.#devices.networks();
  }

  /**
   * Has every packet between a network device and its wire go past `tap`, until another one or undefined takes its place.
   * @throws RangeError when there is no such device.
   */
  capture(id: string, tap: PacketTap | undefined): void {
    const device = this.#devices.network(id);
    if (!device) throw new RangeError(`There is no network device "${id}".`);
    device.tap = tap;
  }

  counters(): MachineCounters {
    return { instructions: this.#board?.cpu.instructions ?? 0, ...this.#devices.counters() };
  }

  /** What the devices are now, their registers, queues and backends. Changes nothing. */
  inspect(): DeviceView[] {
    return this.#devices.inspect(this.#board);
  }

  /** A queue's rings in guest memory; undefined when there is no such queue, or it is not enabled, or the machine is off. */
  inspectQueue(device: string, queue: number): QueueView | undefined {
    const found = this.#board && this.#devices.all.find(({ device: { name } }) => name === device);
    return found && queueView(found.device, queue);
  }

  /**
   * A copy of guest memory from physical address `address` on; less at its end, nothing while the machine is off.
   *
   * @param length bytes, for which memory is allocated: the caller bounds it
   */
  readMemory(address: number, length: number): Uint8Array {
    const memory = this.#board?.cpu.memory;
    if (!memory || !(address >= 0)) return new Uint8Array();
    const start = Math.floor(address);
    return memory.u8.slice(start, start + Math.max(0, length));
  }

  /** Switches off without asking the guest, and closes the disks (what was flushed is durable) and the wires. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#cutPower("The machine was closed.", true);
    await this.#hotPlug.close();
    const wires = [...(this.#options.wires?.values() ?? [])];
    await Promise.all([
      this.#settleDisks((disk) => disk.dispose()),
      this.#settle(wires.map(async (wire) => wire.dispose())),
    ]);
  }

  #wireConsole(device: ConsoleDevice, terminal: ConsoleSink): GuestAgent {
    const [login, ...named] = device.ports as [ConsolePort, ...ConsolePort[]];
    login.connect(terminal);
    const { columns, rows } = this.#options.terminalSize ?? { columns: 80, rows: 25 };
    device.resize(columns, rows);
    return new GuestAgent(named, () => {
      if (this.#state.name === "booting") this.#setState({ name: "running" });
      // What was held is done before the guest goes on.
      else if (this.#state.name === "paused") this.#pausedFrom = { name: "running" };
    });
  }

  async #startGuest(): Promise<void> {
    if (this.#disposed) throw new Error("The machine has been disposed of.");
    this.#cutPower("The machine was restarted.", false);
    const powerCuts = this.#powerCuts;
    // One after the other: a new board takes the devices, and two guests must never have them both.
    await this.#inTurn(() => this.#powerUp(powerCuts));
  }

  async #powerUp(powerCuts: number): Promise<void> {
    if (powerCuts !== this.#powerCuts) return;
    const board = await Board.create({
      memory: this.#options.config.memory,
      wasm: this.#options.wasm,
      devices: this.#devices.all.map(({ config: { transport, vectors }, device }) => ({
        device,
        transport,
        vectors,
      })),
      mmio: this.#options.config.mmio,
      onSerial: (byte) => this.#serial.put(byte),
      onPowerOff: () => this.#halted(),
      onReset: () => void this.#restart(),
      onCrash: (error) => this.#crashed(errorText(error)),
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
    this.#guest = new AbortController();
    this.debugger.arm();
    this.#setState({ name: "booting" });
    board.cpu.run();
  }

  async #restart(): Promise<void> {
    try {
      await this.#startGuest();
    } catch (error) {
      this.#crashed(errorText(error));
    }
  }

  async #askToPowerOff(graceMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const giveUp = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
    let wake: () => void = () => undefined;
    const off = new Promise<void>((resolve) => (wake = resolve));
    this.#powerOffs.add(wake);
    // The command's own end says nothing: the guest goes down some time after it, and takes the agent along. While it waits
    // behind others it must not outlive this call: the next guest would run it.
    const over = new AbortController();
    this.#agent?.run("poweroff", { signal: over.signal }).catch(() => undefined);
    await Promise.race([off, giveUp]);
    over.abort();
    clearTimeout(timer);
    this.#powerOffs.delete(wake);
  }

  #endPowerOffs(): void {
    for (const wake of this.#powerOffs) wake();
  }

  #continue(): void {
    if (this.#state.name === "booting" || this.#state.name === "running") this.#board?.cpu.run();
  }

  #stopped(): void {
    if (this.#state.name !== "booting" && this.#state.name !== "running") return;
    this.#pausedFrom = this.#state;
    this.#setState({ name: "paused" });
  }

  #goesOn(): void {
    if (this.#state.name !== "paused") return;
    this.#setState(this.#pausedFrom ?? { name: "running" });
    this.#continue();
  }

  /** Nobody hears of events for which nobody asks: that costs nothing. */
  #listen(): void {
    const { observer } = this.#options;
    const listeners = [observer, this.#observer].filter((listener) => listener !== undefined);
    if (this.debugger.watching) this.#devices.observe(this.#tellAndLook);
    else if (listeners.length > 1) this.#devices.observe(this.#tell);
    else this.#devices.observe(listeners[0]);
  }

  readonly #tell = (event: VirtioEvent): void => {
    this.#options.observer?.(event);
    this.#observer?.(event);
  };

  readonly #tellAndLook = (event: VirtioEvent): void => {
    this.#tell(event);
    this.debugger.look(event);
  };

  #halted(): void {
    this.#cutPower("The guest powered off.", true);
    this.#setState({ name: "halted" });
    void this.#settleDisks((disk) => disk.flush());
  }

  #crashed(reason: string): void {
    if (this.#state.name === "crashed") return;
    this.#board?.cpu.stop();
    this.debugger.release();
    this.#setState({ name: "crashed", reason });
    this.#agent?.gone(reason, true);
    this.#endGuest(reason, true);
  }

  #cutPower(reason: string, forGood: boolean): void {
    this.#powerCuts++;
    this.#serial.flush();
    this.#board?.dispose();
    this.debugger.release();
    this.#board = undefined;
    for (const port of this.#console?.ports ?? []) port.discardInput();
    this.#agent?.gone(reason, forGood);
    this.#endGuest(reason, forGood);
  }

  #endGuest(reason: string, forGood: boolean): void {
    this.#guest?.abort(new GuestEnd(reason, forGood));
    this.#guest = undefined;
  }

  /** One after the other. */
  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#starting.then(work);
    this.#starting = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** A disk that fails is told to the person and does not keep the others from being flushed or closed. */
  async #settleDisks(work: (disk: BlockBackend) => Promise<void> | undefined): Promise<void> {
    await this.#settle(this.#devices.disks.map(async ({ disk }) => work(disk)));
  }

  async #settle(work: Promise<void>[]): Promise<void> {
    const results = await Promise.allSettled(work);
    for (const result of results) {
      if (result.status === "rejected") this.#options.onMessage?.("error", errorText(result.reason));
    }
  }

  #setState(state: MachineState): void {
    this.#state = state;
    this.#options.onState?.(state);
    if (state.name !== "running" && state.name !== "booting") this.#endPowerOffs();
  }

  #reportViolation(violation: DriverViolation): void {
    this.#options.onMessage?.("warning", violation.text);
    this.#options.onViolation?.(violation);
  }
}

/** Tells the initramfs of an image with a disk the serial number of that. */
function rootParameter(config: MachineConfig, { disk }: ImageManifest): string[] {
  const root = disk && rootDisk(config);
  return root ? [`ringside.root=${root.id}`] : [];
}
