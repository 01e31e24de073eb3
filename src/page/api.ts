import type { MachineConfig } from "../config/types.ts";
import { parseDisk } from "../config/grammar.ts";
import { checkPlatform } from "../config/platform.ts";
import type {
  DeviceDescription,
  ExecResult,
  MachineCounters,
  NetworkStatus,
  PlugOutcome,
} from "../worker/protocol.ts";
import type { DiskListing, ExportFormat } from "../worker/disk/protocol.ts";
import { linkTo, withoutDisk } from "./link.ts";
import type { Disks } from "./disks/model.ts";
import type { NetworkCapture, Networks } from "./network/model.ts";
import type { Session, SessionState } from "./session.ts";
import type { TerminalView } from "./terminal/terminal.ts";
import type { Timings } from "./timings.ts";

/** `window.ringside`: the machine for scripts and for the developer tools' console. The browser tests use this too. */
export interface RingsideApi {
  /** Runs a shell command in the guest, waiting for one that still boots. Output is decoded as UTF-8, at most 16 MiB of each. */
  exec(command: string): Promise<ExecResult>;
  /** What the page's state line says. */
  readonly state: SessionState;
  /** The machine that the page is about; undefined when its link is none. */
  readonly config: MachineConfig | undefined;
  /** The address of this machine. */
  readonly link: string | undefined;
  /** The last boot's parts, in milliseconds. */
  readonly timings: Timings;
  /** What runs on which transport. */
  devices(): Promise<DeviceDescription[]>;
  /** Guest instructions, kicks, interrupts and register accesses so far. */
  counters(): Promise<MachineCounters | undefined>;
  /** The terminal's text, scrolled-off lines included. */
  screen(): string;
  /** Types into the terminal. */
  type(text: string): void;
  /**
   * Gives the machine, and its link, one more disk: what stands after `device=` in the grammar, for example
   * `blk,id=data,size=64M`. Resolves when the guest's driver has it; rejects with a sentence.
   */
  attach(disk: string): Promise<void>;
  /** Takes a disk out of both. Rejects with a sentence, also when the guest uses it, unless `force`. */
  detach(id: string, options?: { force?: boolean }): Promise<void>;
  /** The disks of this browser, those that were deleted and can still be brought back among them. */
  readonly disks: {
    /** Sizes in bytes. */
    list(): Promise<DiskListing[]>;
    /**
     * Makes a disk of a file's bytes (raw, gzip or qcow2). Resolves with its name: `name`, where it is free and one that a disk
     * can have. Rejects with a sentence, and then leaves nothing behind.
     */
    import(file: Blob, name: string): Promise<string>;
    /** A disk's bytes, raw (the standard; with all its zeros) or gzip. Nobody can write to the disk until the stream ends. */
    export(name: string, format?: ExportFormat): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  };
  /** What the machine's network devices are plugged into, how that is, who is there, and what crossed. */
  networks(): Promise<readonly NetworkStatus[]>;
  /**
   * Keeps what crosses between a network device and its wire from now on, by the device's id; what was kept of it before is
   * forgotten. A capture has a bound: the newest packets stay. Rejects with a sentence.
   */
  capture(id: string): Promise<NetworkCapture>;
  powerOn(): Promise<void>;
  powerOff(): Promise<void>;
  reset(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
}

declare global {
  interface Window {
    ringside: RingsideApi;
  }
}

export function pageApi(
  session: Session,
  disks: Disks,
  networks: Networks,
  terminal: TerminalView,
): RingsideApi {
  return {
    exec: (command) => session.exec(command),
    get state() {
      return session.state.value;
    },
    get config() {
      return session.config.value;
    },
    get link() {
      const config = session.config.value;
      return config && linkTo(config);
    },
    get timings() {
      return session.timings.read();
    },
    devices: () => session.devices(),
    counters: () => session.counters(),
    screen: () => terminal.text(),
    type: (text) => terminal.type(text),
    attach: async (text) => {
      const { value: config } = session.config;
      if (!config) throw new Error("There is no machine.");
      // A disk that the machine goes without may come back.
      const absent = session.withoutDisks.value;
      const present = absent.reduce(withoutDisk, config);
      const disk = parseDisk(text, present.devices);
      checkPlatform({ ...config, devices: [disk] }, "browser");
      succeeded(await session.attach(disk));
    },
    detach: async (id, options) => succeeded(await session.detach(id, options)),
    disks: {
      list: () => disks.entries(),
      import: (file, name) => disks.importAs(file, name),
      export: (name, format = "raw") => disks.read(name, format),
    },
    networks: () => session.lookAtNetworks(),
    capture: (id) => networks.capture(id),
    powerOn: () => session.powerOn(),
    powerOff: () => session.powerOff(),
    reset: () => session.reset(),
    pause: () => session.pause(),
    resume: () => session.resume(),
  };
}

function succeeded(outcome: PlugOutcome): void {
  if (outcome.ok) return;
  const { problem } = outcome;
  throw new Error(problem.kind === "superseded" ? "Another machine was started meanwhile." : problem.message);
}
