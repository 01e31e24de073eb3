import type { MachineConfig } from "../config/types.ts";
import type { DeviceDescription, ExecResult, MachineCounters } from "../worker/protocol.ts";
import { linkTo } from "./link.ts";
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

export function pageApi(session: Session, terminal: TerminalView): RingsideApi {
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
    powerOn: () => session.powerOn(),
    powerOff: () => session.powerOff(),
    reset: () => session.reset(),
    pause: () => session.pause(),
    resume: () => session.resume(),
  };
}
