import { batch, computed, signal, type ReadonlySignal } from "@preact/signals";
import { proxy, releaseProxy } from "comlink";
import type { ConfigError } from "../config/error.ts";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { InspectorApi, InspectorListener } from "../inspect/api.ts";
import type {
  DeviceDescription,
  DownloadProgress,
  ExecResult,
  MachineCounters,
  MachineState,
  NetworkStatus,
  PlugOutcome,
  StartOutcome,
  StartProblem,
  StorageStatus,
  TerminalSize,
} from "../worker/protocol.ts";
import { Connection } from "./connection.ts";
import type { Asked } from "./inspect/source.ts";
import { linkTo, readLink, sameMachine, type Link, withDisk, withoutDisk } from "./link.ts";
import { Notices } from "./notices.ts";
import { TAB } from "./tab.ts";
import { BootTimings } from "./timings.ts";

/** What the page shows on its state line. */
export type SessionState =
  /** The link is no machine. */
  | { name: "no-machine"; error: ConfigError }
  /** Downloading, opening disks, building the machine. */
  | { name: "loading" }
  /** It did not start. */
  | { name: "failed"; problem: StartProblem & { message: string } }
  | MachineState;

/** A look into the machine there is, and those that come after it. */
export interface SessionInspection {
  api: Asked<InspectorApi, keyof InspectorApi>;
  /** Resolves when the worker is gone: what it was asked has no answer then. */
  ended: Promise<void>;
  /** Ends the inspection. */
  close(): void;
}

/** What the session asks of the terminal. */
export interface SessionTerminal {
  /** Resolves when the bytes are parsed. */
  write(data: Uint8Array): Promise<void>;
  readonly size: TerminalSize;
}

/** The person's one machine: its link, its life, what it says. The page's parts show its signals and call its methods. */
export class Session {
  /** The machine that the page is about; undefined while the link is none. */
  readonly config = signal<MachineConfig | undefined>(undefined);
  readonly downloads = signal<readonly DownloadProgress[]>([]);
  /** A link that was opened while a machine runs: the person decides. */
  readonly proposal = signal<Link | undefined>(undefined);
  /** Disks that this machine goes without. */
  readonly withoutDisks = signal<readonly string[]>([]);
  /** Disks whose changes are in memory, gone with this machine. */
  readonly temporaryDisks = signal<readonly string[]>([]);
  /** Images whose content is fetched while the machine runs. */
  readonly storage = signal<readonly StorageStatus[]>([]);
  /** What the machine's network devices are plugged into; counters as of the last change of anything else. */
  readonly networks = signal<readonly NetworkStatus[]>([]);
  readonly notices = new Notices();
  readonly timings = new BootTimings();

  readonly #state = signal<SessionState>({ name: "loading" });
  /** Something would be lost if the machine went away now. */
  readonly active = computed(() => ["booting", "running", "paused"].includes(this.#state.value.name));

  readonly #terminal: SessionTerminal;
  #connection: Connection | undefined;
  /** Counts starts, so that what a start that was overtaken says is not heard. */
  #attempt = 0;
  /** Counts the machines that the page was about. */
  #followed = 0;

  constructor(terminal: SessionTerminal) {
    this.#terminal = terminal;
    addEventListener("hashchange", this.#onLink);
    addEventListener("beforeunload", this.#onLeave);
    this.#prefetch();
  }

  get state(): ReadonlySignal<SessionState> {
    return this.#state;
  }

  /** Starts the machine of the page's address. */
  open(): void {
    this.#follow(readLink(location.hash));
  }

  /** Puts another machine into the address and starts it. The person has been asked. */
  replace(config: MachineConfig): void {
    history.pushState(null, "", linkTo(config));
    this.#follow({ config });
  }

  /** The answer to a proposal: take the link's machine, or stay and put its link back. */
  decide(take: boolean): void {
    const proposal = this.proposal.value;
    this.proposal.value = undefined;
    if (take && proposal) this.#follow(proposal);
    else if (this.config.value) history.replaceState(null, "", linkTo(this.config.value));
  }

  /** Starts (again) after a failure. */
  async start({
    withoutDisks = this.withoutDisks.value,
    temporaryDisks = this.temporaryDisks.value,
  } = {}): Promise<void> {
    const config = this.config.value;
    if (!config) return;
    batch(() => {
      this.withoutDisks.value = withoutDisks;
      this.temporaryDisks.value = temporaryDisks;
      this.#state.value = { name: "loading" };
    });
    if (this.#attempt > 0) this.timings.restart();
    this.timings.note("requested");
    const request = { config, terminalSize: this.#terminal.size, withoutDisks, temporaryDisks, tab: TAB };
    await this.#started((connection) => connection.host.start(request));
  }

  /** Power on after off, halted or crashed. A worker that died takes its machine with it: that starts from the beginning. */
  async powerOn(): Promise<void> {
    if (!this.#connection) return this.start();
    this.timings.restart();
    this.timings.note("requested");
    this.timings.note("downloaded");
    await this.#started((connection) => connection.host.powerOn());
  }

  powerOff(): Promise<void> {
    return this.#told((connection) => connection.host.powerOff());
  }

  reset(): Promise<void> {
    return this.#told((connection) => connection.host.reset());
  }

  pause(): Promise<void> {
    return this.#told((connection) => connection.host.pause());
  }

  resume(): Promise<void> {
    return this.#told((connection) => connection.host.resume());
  }

  /** Keystrokes. Resolves when there is room for more. */
  async type(data: Uint8Array): Promise<void> {
    await this.#connection?.terminal.write(data);
  }

  resizeTerminal(size: TerminalSize): void {
    void this.#connection?.host.resizeTerminal(size);
  }

  /** Runs a shell command in the guest; waits for one that is still booting. */
  async exec(command: string): Promise<ExecResult> {
    await this.#untilRunning();
    if (!this.#connection) throw new Error("There is no machine.");
    return this.#connection.host.exec(command);
  }

  /**
   * Gives the machine one more disk, or one that it went without: now, if it runs, and in its link. Resolves when the guest
   * has it. Never rejects; what is wrong is in the outcome.
   */
  attach(disk: BlockConfig): Promise<PlugOutcome> {
    return this.#plugged(
      (connection) => connection.host.attach(disk),
      (config) => withDisk(config, disk),
      disk.id,
    );
  }

  /** Takes a disk out of the machine, and out of its link; in the same way. The disk itself stays as it is. */
  detach(id: string, { force = false } = {}): Promise<PlugOutcome> {
    const absent = this.withoutDisks.value.includes(id);
    return this.#plugged(
      async (connection) => (absent ? { ok: true } : connection.host.detach(id, force)),
      (config) => withoutDisk(config, id),
      id,
    );
  }

  async devices(): Promise<DeviceDescription[]> {
    return (await this.#connection?.host.describe()) ?? [];
  }

  async counters(): Promise<MachineCounters | undefined> {
    return this.#connection?.host.counters();
  }

  /** The networks as they are now, counters included. */
  async lookAtNetworks(): Promise<readonly NetworkStatus[]> {
    return (await this.#connection?.host.networks()) ?? [];
  }

  /** Keeps what crosses a network device's wire from now on. Rejects with a sentence. */
  async startCapture(id: string): Promise<void> {
    await this.#present().host.startCapture(id);
  }

  async stopCapture(id: string): Promise<void> {
    await this.#present().host.stopCapture(id);
  }

  /** What a capture has kept, a pcapng file. */
  async readCapture(id: string): Promise<Blob> {
    return this.#present().host.readCapture(id);
  }

  /**
   * Looks into the machine, also before it starts. One inspection at a time. Rejects with a sentence when there is no worker, or
   * when that dies meanwhile.
   */
  async inspect(listener: InspectorListener): Promise<SessionInspection> {
    const { host, ended } = this.#present();
    const gone = ended.then(() => {
      throw new Error("The machine went away meanwhile.");
    });
    const remote = await Promise.race([host.inspect(proxy(listener)), gone]);
    return {
      // The same, but for what comlink makes of a type that is one of two.
      api: remote as unknown as SessionInspection["api"],
      ended,
      close() {
        remote.close().catch(() => undefined);
        remote[releaseProxy]();
      },
    };
  }

  dispose(): void {
    removeEventListener("hashchange", this.#onLink);
    removeEventListener("beforeunload", this.#onLeave);
    this.#connection?.dispose();
  }

  readonly #onLink = (): void => {
    const link = readLink(location.hash);
    if ("config" in link && this.config.value && sameMachine(link.config, this.config.value)) {
      // Back to the machine that runs: whatever was proposed meanwhile is off the table.
      this.proposal.value = undefined;
    } else if (this.active.value) {
      this.proposal.value = link;
    } else {
      this.#follow(link);
    }
  };

  /** Ctrl-W is a habit of shells; a closed tab takes the machine with it. */
  readonly #onLeave = (event: BeforeUnloadEvent): void => {
    if (this.active.value) event.preventDefault();
  };

  #follow(link: Link): void {
    this.#followed++;
    this.downloads.value = [];
    if ("config" in link) {
      this.config.value = link.config;
      void this.start({ withoutDisks: [], temporaryDisks: [] });
    } else {
      this.#attempt++;
      void this.#connection?.host.stop();
      this.config.value = undefined;
      this.#state.value = { name: "no-machine", error: link.error };
    }
  }

  /** While the page is still being drawn: the worker starts, and downloads what the address asks for. */
  #prefetch(): void {
    const link = readLink(location.hash);
    if ("error" in link) return;
    try {
      this.#connection = this.#connect();
      void this.#connection.host.prefetch(link.config.image);
    } catch {
      // A worker that cannot be made is told of when the machine is to start.
    }
  }

  async #started(ask: (connection: Connection) => Promise<StartOutcome>): Promise<void> {
    const attempt = ++this.#attempt;
    try {
      this.#connection ??= this.#connect();
      const outcome = await ask(this.#connection);
      if (attempt !== this.#attempt || outcome.ok || outcome.problem.kind === "superseded") return;
      this.#state.value = { name: "failed", problem: outcome.problem };
    } catch (error) {
      if (attempt === this.#attempt) this.#fail(error);
    }
  }

  /** Has the machine changed, and then what the page says of it: a reload makes the same machine. */
  async #plugged(
    ask: (connection: Connection) => Promise<PlugOutcome>,
    change: (config: MachineConfig) => MachineConfig,
    id: string,
  ): Promise<PlugOutcome> {
    const followed = this.#followed;
    const connection = this.#connection;
    if (!connection || !this.config.value) return problem("There is no machine.");
    const ended = connection.ended.then(() => problem("The machine went away meanwhile."));
    const outcome = await Promise.race([ask(connection), ended]).catch((error: unknown) =>
      problem(error instanceof Error ? error.message : String(error)),
    );
    if (followed !== this.#followed) return { ok: false, problem: { kind: "superseded" } };
    if (!outcome.ok) return outcome;
    const config = change(this.config.value);
    batch(() => {
      this.config.value = config;
      this.withoutDisks.value = this.withoutDisks.value.filter((other) => other !== id);
      this.temporaryDisks.value = this.temporaryDisks.value.filter((other) => other !== id);
    });
    // While the person is asked about another link, the address is that link.
    if (!this.proposal.value) history.replaceState(null, "", linkTo(config));
    return outcome;
  }

  /** A call to the machine whose failure is worth a notice, no more. */
  async #told(call: (connection: Connection) => Promise<void>): Promise<void> {
    try {
      if (this.#connection) await call(this.#connection);
    } catch (error) {
      this.notices.add("error", error instanceof Error ? error.message : String(error));
    }
  }

  #present(): Connection {
    if (!this.#connection) throw new Error("There is no machine.");
    return this.#connection;
  }

  #connect(): Connection {
    return new Connection(
      {
        onState: (state) => this.#onState(state),
        onProgress: (progress) => this.#onProgress(progress),
        onMessage: (level, text) => this.notices.add(level, text),
        onStorage: (status) => (this.storage.value = status),
        onNetwork: (networks) => (this.networks.value = networks),
        onMark: (mark, time) => this.timings.note(mark, time),
      },
      (data) => this.#terminal.write(data),
      (reason) => {
        this.#connection?.dispose();
        this.#connection = undefined;
        this.#attempt++;
        this.storage.value = [];
        this.networks.value = [];
        this.#state.value = { name: "crashed", reason };
      },
    );
  }

  #onState(state: MachineState): void {
    // A machine that is being replaced says "off"; the page is already about the next.
    const waiting = this.#state.value.name === "loading" || this.#state.value.name === "no-machine";
    if (state.name === "off" && waiting) return;
    this.#state.value = state;
  }

  #onProgress(progress: DownloadProgress): void {
    const others = this.downloads.value;
    const known = others.some(({ name }) => name === progress.name);
    this.downloads.value = known
      ? others.map((other) => (other.name === progress.name ? progress : other))
      : [...others, progress];
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#state.value = { name: "failed", problem: { kind: "machine", message } };
  }

  #untilRunning(): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = false;
      let stop: (() => void) | undefined = undefined;
      stop = this.state.subscribe((state) => {
        if (done || state.name === "loading" || state.name === "booting") return;
        done = true;
        // The first call comes before `subscribe` returned.
        queueMicrotask(() => stop?.());
        if (state.name === "running") resolve();
        else reject(new Error(`The machine takes no commands: it is ${state.name}.`));
      });
    });
  }
}

function problem(message: string): PlugOutcome {
  return { ok: false, problem: { kind: "machine", message } };
}
