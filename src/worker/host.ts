import type { ProxyMarked } from "comlink";
import { withRootDisk } from "../config/root-disk.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { InspectorApi, InspectorListener } from "../inspect/api.ts";
import { checkFits } from "../machine/fits.ts";
import { HotPlugError } from "../machine/hot-plug.ts";
import { Machine } from "../machine/machine.ts";
import { BootWatch } from "./boot-watch.ts";
import { ByteChannel } from "./byte-channel.ts";
import { Captures } from "./captures.ts";
import { sizeText } from "../backends/disk/capacity.ts";
import { sweepDisks } from "../backends/disk/catalog.ts";
import { closeDisks, DiskProblem, type DiskSurroundings, openDisks } from "./disks.ts";
import { DownloadError } from "./download.ts";
import { Inspection } from "./inspection.ts";
import { Downloads } from "./downloads.ts";
import { NetworkWatch } from "./network-watch.ts";
import { StorageWatch } from "./storage-watch.ts";
import { closeWires, openWires, type Wires } from "./wires.ts";
import { ExecOutput } from "./exec-output.ts";
import type {
  BootMark,
  DeviceDescription,
  ExecResult,
  HostApi,
  HostListener,
  MachineCounters,
  MachineState,
  NetworkStatus,
  PlugOutcome,
  StartOutcome,
  StartRequest,
  TerminalSize,
} from "./protocol.ts";

/** Puts a terminal that some program left in a strange mode back to normal, and keeps what is on it. */
const terminalToNormal = new TextEncoder().encode(
  // Leave the alternate screen; no mouse reports; soft reset; a line of its own for what comes.
  "\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[!p\r\n",
);

/** The worker's side: owns the one machine, its disks and the terminal's stream. */
export class MachineHost implements HostApi {
  readonly #downloads: Downloads;
  readonly #site: URL;
  readonly #storage = new StorageWatch((status) => this.#listener?.onStorage(status));
  readonly #captures = new Captures();
  readonly #network = new NetworkWatch(this.#captures, (networks) => this.#listener?.onNetwork(networks));
  readonly #inspection = new Inspection((command) => this.exec(command));
  #tab = "";
  #terminal: ByteChannel | undefined;
  #listener: HostListener | undefined;

  #machine: Machine | undefined;
  /** Aborted when another machine is asked for: nobody waits any longer for what the old one was to do. */
  #session = new AbortController();
  /** Aborted when the machine goes off: what was typed and not taken is waited for no longer. */
  #plugged = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();
  #input: Promise<void> = Promise.resolve();
  #size: TerminalSize = { columns: 80, rows: 24 };
  #watch: BootWatch | undefined;
  /** Between /init and the last driver: looked at when the guest prints, which drivers do as they find their devices. */
  #driversAwaited = false;

  /** @param base where the page's files are served from */
  constructor(base: URL) {
    this.#site = base;
    this.#downloads = new Downloads(base, (progress) => this.#listener?.onProgress(progress));
  }

  connect(terminal: MessagePort, listener: HostListener): void {
    this.#terminal?.dispose();
    this.#terminal = new ByteChannel(terminal, (data) => this.#type(data));
    this.#listener = listener;
  }

  prefetch(image: string): void {
    for (const download of [this.#downloads.image(image), this.#downloads.wasm()]) {
      download.catch(() => undefined);
    }
  }

  start(request: StartRequest): Promise<StartOutcome> {
    const signal = this.#newSession();
    this.#size = request.terminalSize;
    this.#tab = request.tab;
    return this.#inTurn(async () => {
      await this.#close();
      try {
        signal.throwIfAborted();
        this.#machine = await this.#assemble(request, signal);
        this.#inspection.follow(this.#machine);
        await this.#powerOn(this.#machine);
        return { ok: true };
      } catch (error) {
        return failed(error, signal);
      }
    });
  }

  powerOn(): Promise<StartOutcome> {
    return this.#inTurn(async () => {
      const { signal } = this.#session;
      try {
        await this.#powerOn(this.#present());
        return { ok: true };
      } catch (error) {
        return failed(error, signal);
      }
    });
  }

  stop(): Promise<void> {
    this.#newSession();
    return this.#inTurn(() => this.#close());
  }

  powerOff(): Promise<void> {
    return this.#present().powerOff();
  }

  reset(): Promise<void> {
    return this.#present().reset();
  }

  pause(): void {
    this.#present().pause();
    this.#inspection.personPauses();
  }

  resume(): void {
    this.#present().resume();
  }

  resizeTerminal(size: TerminalSize): void {
    this.#size = size;
    this.#machine?.resizeTerminal(size.columns, size.rows);
  }

  async exec(command: string): Promise<ExecResult> {
    const tooMuch = new AbortController();
    const overflow = () =>
      tooMuch.abort(
        new Error(
          `The command printed more than ${ExecOutput.limit >> 20} MiB. Let it write to a file in the guest.`,
        ),
      );
    const stdout = new ExecOutput(overflow);
    const stderr = new ExecOutput(overflow);
    try {
      const status = await this.#present().exec(command, { stdout, stderr, signal: tooMuch.signal });
      return { status, stdout: stdout.text(), stderr: stderr.text() };
    } finally {
      // Says why, rather than that the wait was given up.
      tooMuch.signal.throwIfAborted();
    }
  }

  async attach(config: BlockConfig): Promise<PlugOutcome> {
    const { signal } = this.#session;
    try {
      // In turn only until the machine has the disk: a machine that is being stopped ends the wait for the guest, and closes it.
      const { attached } = await this.#inTurn(async () => {
        signal.throwIfAborted();
        const machine = this.#present();
        const disks = await openDisks(
          { ...machine.config, devices: [config] },
          this.#surroundings(machine.config, signal),
        );
        return { attached: machine.attach(config, disks.get(config.id)!) };
      });
      await attached;
      return { ok: true };
    } catch (error) {
      return failed(error, signal);
    }
  }

  async detach(id: string, force: boolean): Promise<PlugOutcome> {
    const { signal } = this.#session;
    try {
      await this.#present().detach(id, { force });
      this.#storage.remove(id);
      return { ok: true };
    } catch (error) {
      if (!(error instanceof HotPlugError && error.inUse)) return failed(error, signal);
      return { ok: false, problem: { kind: "disk-in-use", disk: id, message: error.message } };
    }
  }

  describe(): DeviceDescription[] {
    return this.#machine?.describe() ?? [];
  }

  counters(): MachineCounters | undefined {
    return this.#machine?.counters();
  }

  networks(): NetworkStatus[] {
    return this.#network.status();
  }

  startCapture(id: string): void {
    this.#captures.start(this.#present(), id);
    this.#network.look();
  }

  stopCapture(id: string): void {
    this.#captures.stop(this.#present(), id);
    this.#network.look();
  }

  readCapture(id: string): Blob {
    return this.#captures.read(id);
  }

  inspect(listener: InspectorListener): InspectorApi & ProxyMarked {
    return this.#inspection.begin(listener);
  }

  #newSession(): AbortSignal {
    this.#session.abort();
    this.#session = new AbortController();
    return this.#session.signal;
  }

  /** Disks, image and CPU put together; the machine owns the disks from then on. */
  async #assemble(request: StartRequest, signal: AbortSignal): Promise<Machine> {
    const { config, withoutDisks, temporaryDisks } = request;
    // The disks are opened meanwhile: whether one is busy should not wait for the download.
    const downloads = Promise.all([this.#downloads.image(config.image), this.#downloads.wasm()]);
    downloads.catch(() => undefined);
    const { disk } = await abortable(this.#downloads.manifest(config.image), signal);
    const complete = withRootDisk(config, disk !== undefined, "browser");
    const present: MachineConfig = {
      ...complete,
      devices: complete.devices
        .filter((device) => device.device !== "blk" || !withoutDisks.includes(device.id))
        .map((device) =>
          device.device === "blk" && temporaryDisks.includes(device.id)
            ? { ...device, store: "memory" }
            : device,
        ),
    };
    const disks = await openDisks(present, this.#surroundings(present, signal));
    let wires: Wires = new Map();
    void sweepDisks().catch(() => undefined); // the panel tells what is wrong
    try {
      const [image, wasm] = await abortable(downloads, signal);
      this.#mark("downloaded");
      checkFits(present, image.manifest);
      wires = openWires(present, this.#site);
      const machine = new Machine({
        config: present,
        image,
        wasm,
        disks,
        wires,
        terminal: { write: (data) => this.#output(data) },
        terminalSize: this.#size,
        onState: (state) => this.#onState(state),
        onMessage: this.#onMessage,
      });
      this.#network.follow(machine, wires);
      return machine;
    } catch (error) {
      await Promise.all([closeDisks(disks), closeWires(wires)]);
      throw error;
    }
  }

  async #powerOn(machine: Machine): Promise<void> {
    this.#watch = new BootWatch((mark) => {
      this.#mark(mark);
      this.#driversAwaited = mark === "init";
    });
    this.#driversAwaited = false;
    void this.#terminal?.write(terminalToNormal);
    await machine.start();
    this.#mark("instantiated");
  }

  async #close(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    this.#captures.clear();
    this.#network.follow(undefined);
    this.#inspection.follow(undefined);
    await machine?.dispose();
    this.#storage.remove();
  }

  /** One start or stop after the other: a disk must be closed before the next machine opens it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #present(): Machine {
    if (!this.#machine) throw new Error("There is no machine: it was not started, or it failed to start.");
    return this.#machine;
  }

  #onState(state: MachineState): void {
    this.#listener?.onState(state);
    this.#inspection.stateChanged();
    if (state.name === "running") this.#mark("running");
    if (!takesInput(state)) {
      this.#plugged.abort();
      this.#plugged = new AbortController();
    }
  }

  readonly #onMessage: HostListener["onMessage"] = (level, text) => this.#listener?.onMessage(level, text);

  #surroundings({ image, memory }: MachineConfig, signal: AbortSignal): DiskSurroundings {
    return {
      site: this.#site,
      holder: { tab: this.#tab, title: `${image}, ${sizeText(memory)}`, since: Date.now() },
      onMessage: this.#onMessage,
      onImage: (disk, opened) => this.#storage.add(disk, opened),
      onImageStatus: () => this.#storage.look(),
      signal,
    };
  }

  #mark(mark: BootMark): void {
    this.#listener?.onMark(mark, performance.timeOrigin + performance.now());
  }

  #output(data: Uint8Array): Promise<void> | undefined {
    this.#watch?.see(data);
    if (this.#driversAwaited && this.#machine?.describe().every(({ driverReady }) => driverReady)) {
      this.#driversAwaited = false;
      this.#mark("drivers");
    }
    return this.#terminal?.write(data);
  }

  /** Keystrokes keep their order. Those for a machine that is off are dropped, as on a cable that nothing is plugged into. */
  #type(data: Uint8Array): Promise<void> {
    this.#input = this.#input.then(async () => {
      const machine = this.#machine;
      if (!machine || !takesInput(machine.state)) return;
      const unplugged = AbortSignal.any([this.#session.signal, this.#plugged.signal]);
      await abortable(Promise.resolve(machine.type(data)), unplugged).catch(() => undefined);
    });
    return this.#input;
  }
}

function takesInput({ name }: MachineState): boolean {
  return name === "booting" || name === "running" || name === "paused";
}

function failed(error: unknown, signal: AbortSignal): StartOutcome {
  if (signal.aborted) return { ok: false, problem: { kind: "superseded" } };
  if (error instanceof DiskProblem) return { ok: false, problem: error.problem };
  const kind = error instanceof DownloadError ? "download" : "machine";
  return { ok: false, problem: { kind, message: error instanceof Error ? error.message : String(error) } };
}

/** The promise, or a rejection as soon as the signal is aborted. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
