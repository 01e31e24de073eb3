import { ConfigError } from "../config/error.ts";
import type { MachineConfig } from "../config/types.ts";
import { type ExecOptions, GuestGoneError } from "../machine/agent.ts";
import type { MachineState } from "../machine/machine.ts";
import { Interruption } from "./interruption.ts";
import { openMachine, type OpenMachine, type OpenOptions } from "./open.ts";
import { PlainTextSink, StreamSink, TailSink } from "./sinks.ts";
import { Interrupted, Status } from "./status.ts";
import { HostTerminal } from "./terminal.ts";
import { describeCost } from "./trace/account.ts";

export interface RunOptions {
  config: MachineConfig;
  /** Runs this and exits; without it the terminal is the guest's console. */
  exec?: string;
  /** Seconds for all of it, boot included. */
  timeout?: number;
  /** Characters. */
  size?: { columns: number; rows: number };
  /** With `exec`: the guest's console to stderr. */
  console: boolean;
  /** A file for what the network devices send and get. */
  capture?: string;
  /** A file for all that crosses the line; of each request and packet `sample` bytes. */
  record?: { path: string; sample?: number };
  /** With `exec`: what it cost goes to stderr. */
  account?: boolean;
  images?: string;
}

/** Waiting for a guest that does not come up is said after this many milliseconds. */
const SLOW_BOOT = 60_000;

/**
 * Runs a machine until its command or the guest itself ends; resolves with our exit status. Rejects with Interrupted
 * when a person, a signal, the time limit or broken output comes first. The machine is closed in any case.
 */
export async function run(options: RunOptions): Promise<number> {
  const interruption = new Interruption(options.timeout);
  let violations = 0;
  const open = common(options, () => violations++);
  try {
    const status = await (options.exec === undefined
      ? runTerminal(options, open, interruption)
      : runCommand(options, options.exec, open, interruption));
    return options.config.strict && violations > 0 ? Status.violations : status;
  } finally {
    interruption.dispose();
  }
}

async function runCommand(
  options: RunOptions,
  command: string,
  open: OpenOptions,
  interruption: Interruption,
): Promise<number> {
  if (!options.config.devices.some(({ device }) => device === "console")) {
    throw new ConfigError("Without a console device there is no agent in the guest to run commands", {
      expected: "device=console",
    });
  }
  const { brokenOutput } = interruption;
  const stdout = new StreamSink(process.stdout, brokenOutput);
  const stderr = new StreamSink(process.stderr, brokenOutput);
  const tail = new TailSink();
  const machine = await openMachine(options.config, {
    ...open,
    terminal: new PlainTextSink(options.console ? stderr : tail),
  });
  let finished = false;
  try {
    const slow = setTimeout(() => {
      if (machine.state.name === "booting") say("The guest is still booting. --console shows what it says.");
    }, SLOW_BOOT);
    const sinks = { stdout, stderr, signal: interruption.signal };
    const work = options.account ? accounted(machine, command, sinks) : machine.exec(command, sinks);
    const status = await interruption.race(work).finally(() => clearTimeout(slow));
    finished = true;
    return status;
  } catch (error) {
    if (error instanceof GuestGoneError) {
      say(`The command did not end: ${error.message}`);
      if (machine.state.name === "crashed") showTail(tail);
      return Status.guestGone;
    }
    if (error instanceof Interrupted && error.status === Status.timeout && machine.state.name === "booting") {
      say("The guest was not up yet.");
      showTail(tail);
    }
    throw error;
  } finally {
    // An agent that is busy with a command cannot power the guest off: what it flushed is safe, the rest is lost.
    await close(machine, finished, interruption);
  }
}

async function accounted(machine: OpenMachine, command: string, sinks: ExecOptions): Promise<number> {
  const { status, ...cost } = await machine.account(command, sinks);
  process.stderr.write(describeCost(cost));
  return status;
}

async function runTerminal(
  options: RunOptions,
  open: OpenOptions,
  interruption: Interruption,
): Promise<number> {
  const leave = new Interrupted(Status.ok, "Powering off. Ctrl-C cuts the power.", false);
  const terminal = new HostTerminal({
    input: process.stdin,
    output: process.stdout,
    ...(options.size && { size: options.size }),
    onLeave: () => interruption.interrupt(leave),
  });
  if (terminal.interactive) say("Ctrl-] leaves.");
  try {
    const machine = await openMachine(options.config, {
      ...open,
      terminal: new StreamSink(process.stdout, interruption.brokenOutput),
      terminalSize: terminal.size,
    });
    try {
      const end = await interruption.race(untilEnd(machine, terminal));
      if (end.name !== "crashed") return Status.ok;
      terminal.dispose();
      say(`The guest crashed: ${end.reason}`);
      return Status.guestGone;
    } finally {
      terminal.dispose();
      if (interruption.signal.reason === leave) say(leave.message);
      await close(machine, true, interruption);
    }
  } finally {
    terminal.dispose();
  }
}

async function untilEnd(machine: OpenMachine, terminal: HostTerminal): Promise<MachineState> {
  const ended = machine.when("halted", "crashed", "off");
  const typed = terminal.connect(machine).then(() => {
    // A pipe ends before the guest has done what it said.
    if (machine.state.name === "running") {
      say("The input has ended; the machine runs until it powers off.");
    }
    return ended;
  });
  return Promise.race([ended, typed]);
}

/** Powers off and closes the disks; says so when that takes long. */
async function close(machine: OpenMachine, orderly: boolean, interruption: Interruption): Promise<void> {
  interruption.closing();
  const slow = setTimeout(() => say("Powering off and closing the disks. Ctrl-C ends without that."), 6000);
  try {
    await machine.powerOff(orderly ? {} : { graceMs: 0 });
  } finally {
    const captured = await machine.endCapture();
    if (captured && captured.dropped > 0) say(`warning: ${captured.dropped} packets are not in the capture.`);
    const recorded = await machine.endRecording();
    if (recorded && recorded.dropped > 0) {
      say(`warning: ${recorded.dropped} events are not in ${recorded.path}.`);
    }
    await machine.dispose();
    clearTimeout(slow);
  }
}

function common(options: RunOptions, onViolation: () => void): OpenOptions {
  return {
    ...(options.size && { terminalSize: options.size }),
    ...(options.images !== undefined && { images: options.images }),
    ...(options.capture !== undefined && { capture: options.capture }),
    ...(options.record !== undefined && { record: options.record }),
    onViolation,
    onMessage: (level, text) => say(level === "info" ? text : `${level}: ${text}`),
  };
}

function showTail(tail: TailSink): void {
  const lines = tail.lines(12);
  if (lines.length > 0) say(`Its console ends with:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

/** A line for the person: on stderr, so that stdout has nothing but the guest's output. */
function say(text: string): void {
  process.stderr.write(`ringside: ${text}\n`);
}
