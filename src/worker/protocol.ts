/** What the page and the worker say to each other. Everything here can be cloned by structured clone. */
import type { ProxyMarked } from "comlink";
import type { BlockConfig, MachineConfig } from "../config/types.ts";
import type { WireStatus } from "../backends/net/wire.ts";
import type {
  DeviceDescription,
  MachineCounters,
  MachineState,
  NetworkDescription,
} from "../machine/machine.ts";
import type { InspectorApi, InspectorListener } from "../inspect/api.ts";
import type { Member } from "../net/relay-protocol.ts";
import type { DownloadProgress } from "./download.ts";

export type { DeviceDescription, DownloadProgress, MachineCounters, MachineState, Member, WireStatus };

/** The calls that the worker takes (through comlink). One machine at a time. */
export interface HostApi {
  /** First of all: the terminal's byte stream and who hears of events. */
  connect(terminal: MessagePort, listener: HostListener): void;
  /** Begins to download what a machine of this image will need. What fails is told by `start`. */
  prefetch(image: string): void;
  /** Stops the machine there is, if any, and starts the one that is asked for. Progress goes to the listener. */
  start(request: StartRequest): Promise<StartOutcome>;
  /** Power on again, with the same disks. Only after `off`, `halted` or `crashed`. */
  powerOn(): Promise<StartOutcome>;
  /** Asks the guest to power off; cuts the power when it does not answer. */
  powerOff(): Promise<void>;
  /** As the reset button. */
  reset(): Promise<void>;
  pause(): void;
  resume(): void;
  resizeTerminal(size: TerminalSize): void;
  /** Runs a shell command in the guest. Rejects when no guest runs that could take it. */
  exec(command: string): Promise<ExecResult>;
  /** Opens a disk and gives it to the machine; resolves when the guest's driver has it. A machine that is off has it later. */
  attach(config: BlockConfig): Promise<PlugOutcome>;
  /** Has the guest let go of a disk, takes it out of the machine and closes it. `force`: also when the guest uses it. */
  detach(id: string, force: boolean): Promise<PlugOutcome>;
  describe(): DeviceDescription[];
  counters(): MachineCounters | undefined;
  /** The network devices and their wires as they are now, counters included. */
  networks(): NetworkStatus[];
  /** Keeps what crosses a network device's wire from now on, and forgets what was kept of it before. Rejects with a sentence. */
  startCapture(id: string): void;
  /** Ends it; what it kept can still be read. */
  stopCapture(id: string): void;
  /** What is kept, as a pcapng file. Rejects with a sentence when nothing was captured. */
  readCapture(id: string): Blob;
  /** Looks into the machine there is, and those that come after it. One inspection at a time: this ends the one before. */
  inspect(listener: InspectorListener): InspectorApi & ProxyMarked;
  /** Stops the machine and closes its disks. */
  stop(): Promise<void>;
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

export interface StartRequest {
  config: MachineConfig;
  terminalSize: TerminalSize;
  /** Identifiers of disks to go without: another tab has them, or they cannot be opened. */
  withoutDisks: readonly string[];
  /** Identifiers of disks with a base whose changes are kept in memory, for another tab has those in the store. */
  temporaryDisks: readonly string[];
  /** Stands for the page's tab in what the browser's locks say of who has a disk open. */
  tab: string;
}

export type StartOutcome = { ok: true } | { ok: false; problem: StartProblem };

/** Why a machine did not start. `message` is a sentence for a person. */
export type StartProblem =
  /** `hasBase`: it can be opened with its changes in memory. */
  | { kind: "disk-busy"; disk: string; hasBase: boolean; message: string }
  | { kind: "disk-failed"; disk: string; message: string }
  | { kind: "download" | "machine"; message: string }
  /** Another `start` or a `stop` came first; nothing to say. */
  | { kind: "superseded" };

/** How it went to attach or detach a disk: without `ok` the machine is as it was. */
export type PlugOutcome = { ok: true } | { ok: false; problem: PlugProblem };

export type PlugProblem =
  | StartProblem
  /** The guest uses the disk: it can be detached by force. */
  | { kind: "disk-in-use"; disk: string; message: string };

export interface ExecResult {
  /** The command's exit status. */
  status: number;
  /** Decoded as UTF-8. */
  stdout: string;
  stderr: string;
}

export type MessageLevel = "info" | "warning" | "error";

/** Moments of a boot, in the order in which they usually come. */
export type BootMark =
  /** Image and processor are there and verified. */
  | "downloaded"
  /** The machine is built and its CPU begins to run. */
  | "instantiated"
  /** The guest's kernel started /init. */
  | "init"
  /** Every device has its driver. */
  | "drivers"
  /** The guest's shell shows its prompt. */
  | "prompt"
  /** The guest's agent takes commands. */
  | "running";

/** An image that a disk's content is fetched from as it is needed. */
export interface StorageStatus {
  /** The disk's identifier. */
  disk: string;
  /** As at the beginning of a sentence: `The image "debian"`. */
  image: string;
  /** Bytes that came over the network since the machine has the disk. */
  bytesFetched: number;
  /** `stalled`: somebody waits in vain. */
  state: "ok" | "stalled";
  /** Since when: milliseconds since 1970. */
  since: number;
  /** Why it stalls, as the rest of a sentence. */
  reason: string;
}

/** A network device, and what it is plugged into. */
export interface NetworkStatus extends NetworkDescription {
  status: WireStatus;
  /** Undefined while nothing was captured. */
  capturing: CaptureStatus | undefined;
}

export interface CaptureStatus {
  /** Packets that come now are kept. */
  running: boolean;
  /** Packets that are kept, and the file's bytes. */
  packets: number;
  bytes: number;
  /** Packets that had to go again: the oldest, when there was no room for new ones. */
  dropped: number;
}

/** The events that the page hears. */
export interface HostListener {
  onState(state: MachineState): void;
  onProgress(progress: DownloadProgress): void;
  onMessage(level: MessageLevel, text: string): void;
  /** Of all the machine's images, whenever something changed. */
  onStorage(status: readonly StorageStatus[]): void;
  /** Of all the machine's network devices, whenever something but a counter changed. */
  onNetwork(networks: readonly NetworkStatus[]): void;
  /** @param time milliseconds since 1970, with fractions: worker and page have different time origins */
  onMark(mark: BootMark, time: number): void;
}
