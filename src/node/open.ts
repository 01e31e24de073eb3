import { formatConfig, parseConfig, parseDisk } from "../config/grammar.ts";
import { checkPlatform } from "../config/platform.ts";
import { withRootDisk } from "../config/root-disk.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import { type ExecOptions, GuestGoneError } from "../machine/agent.ts";
import { checkFits } from "../machine/fits.ts";
import type { AttachOptions, DetachOptions } from "../machine/hot-plug.ts";
import type { Debugger } from "../machine/debugger.ts";
import type { ImageManifest } from "../machine/image.ts";
import {
  type DeviceDescription,
  type DriverViolation,
  Machine,
  type MachineCounters,
  type MachineState,
  type NetworkDescription,
} from "../machine/machine.ts";
import type { Wire, WireStatus } from "../backends/net/wire.ts";
import type { ConsoleSink } from "../virtio/console.ts";
import type { Observer } from "../virtio/observer.ts";
import type { DeviceView, QueueView } from "../virtio/view/types.ts";
import { type CaptureStatus, type FileCapture, openCapture } from "./capture.ts";
import { checkFilesOnce } from "./disk-files.ts";
import { costBetween } from "../inspect/cost.ts";
import { tracedDevice } from "../inspect/inspected.ts";
import { Trace } from "../inspect/trace.ts";
import type { TracedDevice } from "../inspect/types.ts";
import { type DiskSurroundings, closeDisks, openDisks } from "./disks.ts";
import { IMAGES_FOLDER, loadImage } from "./images.ts";
import { CollectingSink } from "./sinks.ts";
import type { Cost } from "./trace/account.ts";
import {
  DEFAULT_SAMPLE,
  type FileRecording,
  openRecording,
  RECORDING_BOUND,
  type RecordingStatus,
} from "./trace/recording.ts";
import { loadWasm } from "./wasm.ts";
import { closeWires, openWires } from "./wires.ts";

export interface OpenOptions {
  /** Takes the guest's terminal: the earliest kernel messages, then hvc0. Dropped unless given. */
  terminal?: ConsoleSink;
  /** In characters. */
  terminalSize?: { columns: number; rows: number };
  /** The folder of the guest images; the checkout's own unless given. */
  images?: string;
  observer?: Observer;
  onState?: (state: MachineState) => void;
  /** What a person should know; dropped unless given. */
  onMessage?: (level: "info" | "warning" | "error", text: string) => void;
  /**
   * Check whatever virtio 1.3 demands of the guest's drivers and a device can see, as `strict=on` in the configuration does.
   * What they break is in `violations`, and goes to `onViolation` and, as text, to `onMessage`.
   */
  strict?: boolean;
  onViolation?: (violation: DriverViolation) => void;
  /** A file for all packets of all network devices, from power-on: see {@link OpenMachine.capture}. */
  capture?: string;
  /** A file for all that crosses the line, from power-on: see {@link OpenMachine.record}. */
  record?: RecordOptions;
}

export interface RecordOptions {
  /** Its end says what it is to be: .ringside, .json (for Perfetto) or .pcapng; docs/TRACES.md has the formats. */
  path: string;
  /** Bytes kept of each chain, used element and frame; 256 unless given. */
  sample?: number;
}

export interface RunResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** Of each of stdout and stderr that `run` keeps, in bytes. */
const MOST_OUTPUT = 64 * 1024 * 1024;

/**
 * Builds the machine of a configuration (./src/config/grammar.ts has the grammar; "" is the default machine) from the
 * images and disks of this computer, and switches it on:
 *
 *     const machine = await openMachine("memory=128M&device=blk,store=memory,size=64M");
 *     try {
 *       console.log(await machine.run("uname -a"));
 *     } finally {
 *       await machine.dispose();
 *     }
 *
 * Rejects with ConfigError, ImageError, DiskError or V86ContractError, each with a plain sentence; nothing is left
 * open then.
 */
export async function openMachine(
  config: string | MachineConfig,
  options: OpenOptions = {},
): Promise<OpenMachine> {
  const given = typeof config === "string" ? parseConfig(config, "node") : config;
  checkPlatform(given, "node");
  const [image, wasm] = await Promise.all([
    loadImage(given.image, options.images ?? IMAGES_FOLDER),
    loadWasm(),
  ]);
  const complete = withRootDisk(given, image.manifest.disk !== undefined, "node");
  const parsed = options.strict ? { ...complete, strict: true } : complete;
  checkFits(parsed, image.manifest);
  const surroundings = { images: options.images ?? IMAGES_FOLDER, onMessage: options.onMessage };
  const disks = await openDisks(parsed, surroundings);
  const wires = openWires(parsed, surroundings);
  const states = new States(options.onState);
  let opened: OpenMachine | undefined;
  try {
    const machine = new Machine({
      config: parsed,
      image,
      wasm,
      disks,
      wires,
      terminal: options.terminal ?? { write: () => undefined },
      ...(options.terminalSize && { terminalSize: options.terminalSize }),
      ...(options.observer && { observer: options.observer }),
      ...(options.onMessage && { onMessage: options.onMessage }),
      ...(options.onViolation && { onViolation: options.onViolation }),
      onState: (state) => states.set(state),
    });
    opened = new OpenMachine(image.manifest, machine, wires, states, surroundings);
    if (options.capture !== undefined) await opened.capture(options.capture);
    if (options.record !== undefined) await opened.record(options.record);
    await machine.start();
    return opened;
  } catch (error) {
    // A machine that was made has disks and wires, and closes them.
    await (opened === undefined ? Promise.all([closeDisks(disks), closeWires(wires)]) : opened.dispose());
    throw error;
  }
}

/** A network device and its wire, as they are at one moment. */
export interface OpenNetwork extends NetworkDescription {
  status: WireStatus;
}

/** A machine that is switched on. Whoever opened it disposes of it. */
export class OpenMachine {
  readonly image: ImageManifest;
  readonly #machine: Machine;
  readonly #wires: ReadonlyMap<string, Wire>;
  readonly #states: States;
  readonly #surroundings: DiskSurroundings;
  readonly #observers = new Set<Observer>();
  #capture: FileCapture | undefined;
  #recording: { file: FileRecording; observer: Observer } | undefined;

  /** Use {@link openMachine}. */
  constructor(
    image: ImageManifest,
    machine: Machine,
    wires: ReadonlyMap<string, Wire>,
    states: States,
    surroundings: DiskSurroundings,
  ) {
    this.image = image;
    this.#machine = machine;
    this.#wires = wires;
    this.#states = states;
    this.#surroundings = surroundings;
  }

  /** As it is now: disks come and go. */
  get config(): MachineConfig {
    return this.#machine.config;
  }

  get state(): MachineState {
    return this.#machine.state;
  }

  /** Resolves with the machine's state as soon as that is one of these; at once when it is. Never rejects. */
  when(...names: readonly MachineState["name"][]): Promise<MachineState> {
    return this.#states.when(names, this.state);
  }

  /**
   * Runs a shell command in the guest, its output to sinks; resolves with its exit status. Waits for the guest to be
   * up. Rejects with GuestGoneError when the guest powers off, restarts or crashes meanwhile.
   */
  exec(command: string, options?: ExecOptions): Promise<number> {
    return this.#machine.exec(command, options);
  }

  /** As `exec`, with the output as text: up to 64 MiB each, and an error when there is more. */
  async run(command: string): Promise<RunResult> {
    const tooMuch = new AbortController();
    const overflow = (): void => tooMuch.abort();
    const stdout = new CollectingSink(MOST_OUTPUT, overflow);
    const stderr = new CollectingSink(MOST_OUTPUT, overflow);
    try {
      const status = await this.exec(command, { stdout, stderr, signal: tooMuch.signal });
      return { status, stdout: stdout.text(), stderr: stderr.text() };
    } catch (error) {
      if (!tooMuch.signal.aborted) throw error;
      throw new Error(`The command wrote more than ${MOST_OUTPUT} bytes; use exec with sinks of your own.`, {
        cause: error,
      });
    }
  }

  /** Bytes typed at the terminal. Resolves when the guest has taken them. */
  type(data: string | Uint8Array): Promise<void> {
    return this.#machine.type(typeof data === "string" ? new TextEncoder().encode(data) : data);
  }

  /** In characters. */
  resizeTerminal(columns: number, rows: number): void {
    this.#machine.resizeTerminal(columns, rows);
  }

  /**
   * Gives the machine one more disk: a configuration, or what stands after `device=` in the grammar, for example
   * `blk,id=data,store=memory,size=64M`. Resolves when the guest's driver has it; the machine closes it in the end. Rejects
   * with ConfigError or DiskError when there is no such disk, with HotPlugError when the guest does not take it (nothing is
   * left open then). `patienceMs` is how long that may take, 60,000 unless given.
   */
  async attach(disk: string | BlockConfig, options?: AttachOptions): Promise<void> {
    const { config } = this;
    const parsed = typeof disk === "string" ? parseDisk(disk, config.devices, "node") : disk;
    const alone = { ...config, devices: [parsed] };
    checkPlatform(alone, "node");
    checkFilesOnce([...config.devices, parsed]);
    const backend = (await openDisks(alone, this.#surroundings)).get(parsed.id)!;
    await this.#machine.attach(parsed, backend, options);
  }

  /**
   * Takes a disk on PCI out of the machine: resolves when the guest has let go of it and it is saved and closed. Rejects with
   * HotPlugError when the guest uses it (mounted, swap, open), unless `force`: then the guest loses what it has not written.
   */
  detach(id: string, options?: DetachOptions): Promise<void> {
    return this.#machine.detach(id, options);
  }

  /** Restarts the guest, as the reset button does. */
  reset(): Promise<void> {
    return this.#machine.reset();
  }

  /** Has the guest power off; cuts the power after `graceMs` milliseconds. The disks are flushed when it resolves. */
  powerOff(options?: { graceMs?: number }): Promise<void> {
    return this.#machine.powerOff(options);
  }

  /** Stops the guest where it is, at once; its clock stands still, too. */
  pause(): void {
    this.#machine.pause();
  }

  /** Lets the guest go on, also one that a breakpoint or a step has stopped. */
  resume(): void {
    this.#machine.resume();
  }

  /** Breakpoints on what crosses the line, and steps from there: see {@link Debugger}. */
  get debugger(): Debugger {
    return this.#machine.debugger;
  }

  /** What runs on which transport. */
  describe(): DeviceDescription[] {
    return this.#machine.describe();
  }

  /** What the devices are now: status, features, registers, queues and backends. Changes nothing. */
  inspect(): DeviceView[] {
    return this.#machine.inspect();
  }

  /** A queue's rings in guest memory; undefined when there is no such queue, or it is not enabled, or the machine is off. */
  inspectQueue(device: string, queue: number): QueueView | undefined {
    return this.#machine.inspectQueue(device, queue);
  }

  /** A copy of `length` bytes of guest memory from physical address `address` on; less at its end, none while the machine is off. */
  readMemory(address: number, length: number): Uint8Array {
    return this.#machine.readMemory(address, length);
  }

  counters(): MachineCounters {
    return this.#machine.counters();
  }

  /** The network devices, and how that is what they are plugged into. */
  networks(): OpenNetwork[] {
    return this.#machine
      .networks()
      .map((network) => ({ ...network, status: this.#wires.get(network.id)!.status }));
  }

  /** What the guest's drivers broke of virtio 1.3, each sentence once for each device and queue. See `OpenOptions.strict`. */
  get violations(): readonly DriverViolation[] {
    return this.#machine.violations;
  }

  /**
   * Writes every packet between the network devices and their wires to a pcapng file from now on, each device an interface of it.
   * Resolves when the file is there; rejects with a plain sentence when it cannot be, or when another capture is under way. What
   * goes wrong later goes to `onMessage`, and the machine goes on.
   */
  async capture(path: string): Promise<void> {
    this.#refuseSecondCapture();
    const networks = this.#machine.networks();
    const faces = networks.map(({ id, mac, wire, speed }) => ({ name: id, description: wire, mac, speed }));
    const { onMessage } = this.#surroundings;
    const capture = await openCapture(path, faces, (message) => onMessage?.("error", message));
    try {
      this.#refuseSecondCapture();
    } catch (error) {
      await capture.end();
      throw error;
    }
    this.#capture = capture;
    for (const [face, { id }] of networks.entries()) {
      this.#machine.capture(id, (direction, packet) => capture.add(face, direction, packet));
    }
  }

  #refuseSecondCapture(): void {
    if (this.#capture) throw new Error(`A capture is under way already, to ${this.#capture.path}.`);
  }

  /** How a capture is doing; undefined while there is none. */
  get capturing(): CaptureStatus | undefined {
    return this.#capture?.status;
  }

  /** Ends a capture; resolves when its file is complete, with what is in it. Undefined when there was none. */
  async endCapture(): Promise<CaptureStatus | undefined> {
    const capture = this.#capture;
    if (!capture) return undefined;
    this.#capture = undefined;
    for (const { id } of this.#machine.networks()) this.#machine.capture(id, undefined);
    await capture.end();
    return capture.status;
  }

  /**
   * Writes all that crosses the line between guest and hypervisor to a file from now on. Resolves when the file is there; rejects
   * with a plain sentence when it cannot be, or when another recording is under way. What goes wrong later goes to `onMessage`, and
   * the machine goes on.
   */
  async record({ path, sample = DEFAULT_SAMPLE }: RecordOptions): Promise<void> {
    this.#refuseSecondRecording();
    const trace = this.#newTrace(RECORDING_BOUND, sample);
    const { onMessage } = this.#surroundings;
    const file = await openRecording(path, trace, (message) => onMessage?.("error", message));
    try {
      this.#refuseSecondRecording();
    } catch (error) {
      await file.end();
      throw error;
    }
    const observer: Observer = (event) => {
      // A device that was not there before begins by a write to its status.
      if (event.type === "status" && !trace.knows(event.device)) trace.devices = this.#traced(trace);
      trace.record(event);
      file.recorded();
    };
    this.#recording = { file, observer };
    this.#observe(observer, true);
  }

  #refuseSecondRecording(): void {
    if (this.#recording) throw new Error(`A recording is under way already, to ${this.recording!.path}.`);
  }

  /** How a recording is doing; undefined while there is none. */
  get recording(): RecordingStatus | undefined {
    return this.#recording?.file.status;
  }

  /** Ends a recording; resolves when its file is complete, with what is in it. Undefined when there was none. */
  async endRecording(): Promise<RecordingStatus | undefined> {
    const recording = this.#recording;
    if (!recording) return undefined;
    this.#recording = undefined;
    this.#observe(recording.observer, false);
    await recording.file.end();
    return recording.file.status;
  }

  /** As `exec`, with what the command cost: what crossed the line, from its start to its end. */
  async account(command: string, options?: ExecOptions): Promise<Cost & { status: number }> {
    const state = await this.when("running", "halted", "crashed", "off");
    if (state.name !== "running") {
      throw new GuestGoneError(state.name === "crashed" ? state.reason : "The guest was switched off.");
    }
    const trace = this.#newTrace(ACCOUNT_BOUND, 0);
    const observer: Observer = (event) => trace.record(event);
    this.#observe(observer, true);
    try {
      const { instructions } = this.counters();
      const before = { time: performance.now(), statistics: trace.statistics() };
      const status = await this.exec(command, options);
      return {
        status,
        milliseconds: performance.now() - before.time,
        instructions: this.counters().instructions - instructions,
        devices: costBetween(before.statistics, trace.statistics()),
      };
    } finally {
      this.#observe(observer, false);
    }
  }

  #newTrace(bound: number, sample: number): Trace {
    return new Trace({
      bound,
      sample,
      config: formatConfig(this.config),
      devices: this.describe().map(tracedDevice),
    });
  }

  /** The devices that there were and are. */
  #traced(trace: Trace): TracedDevice[] {
    const { devices } = trace.summary();
    return [
      ...devices,
      ...this.describe()
        .map(tracedDevice)
        .filter(({ name }) => !trace.knows(name)),
    ];
  }

  /** Has one more hear, or not any more, what crosses the line. */
  #observe(observer: Observer, hears: boolean): void {
    if (hears) this.#observers.add(observer);
    else this.#observers.delete(observer);
    const all = [...this.#observers];
    this.#machine.observe(
      all.length === 0
        ? undefined
        : (event) => {
            for (const one of all) one(event);
          },
    );
  }

  /** Cuts the power if it is still on, closes the disks, and ends a capture and a recording. */
  async dispose(): Promise<void> {
    try {
      await this.#machine.dispose();
    } finally {
      await this.endCapture();
      await this.endRecording();
    }
  }
}

/** An account looks at statistics, never at an event. */
const ACCOUNT_BOUND = 64 << 10;

/** Who waits for which state. */
class States {
  readonly #listener: ((state: MachineState) => void) | undefined;
  #waiting: { names: readonly string[]; resolve: (state: MachineState) => void }[] = [];

  constructor(listener: ((state: MachineState) => void) | undefined) {
    this.#listener = listener;
  }

  set(state: MachineState): void {
    const [now, later] = partition(this.#waiting, ({ names }) => names.includes(state.name));
    this.#waiting = later;
    for (const { resolve } of now) resolve(state);
    this.#listener?.(state);
  }

  when(names: readonly string[], current: MachineState): Promise<MachineState> {
    if (names.includes(current.name)) return Promise.resolve(current);
    return new Promise((resolve) => this.#waiting.push({ names, resolve }));
  }
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
