/** What the benchmark (parent process) asks of a guest in a process of its own, and what comes back. */
import type { PortRange } from "./plain-v86.ts";

export type PeerName = "ours" | "v86";

/** Who listens to Ringside's devices. */
export type Listener = "nobody" | "no-op";

export interface BootRequest {
  peer: PeerName;
  /** Path of the initramfs; the image's own unless given. */
  initrd?: string;
  /** Bytes of a disk in memory, filled with the same pattern for both peers; none unless given. */
  disk?: number;
  /** Ringside: more options of the disk's device, as in a link: `packed=on,vectors=0`. */
  diskOptions?: string;
  /** v86: with its virtio console beside the serial port. */
  virtioConsole?: boolean;
  /** With a network device; none unless given. */
  network?: NetworkRequest;
  /** Ringside: who listens; nobody unless given. */
  listener?: Listener;
  /** Ringside: path of a module that exports `Machine`; the checkout's own sources unless given. */
  core?: string;
}

export interface NetworkRequest {
  /** WebSocket URL of the relay, without a room. */
  relay: string;
  room: string;
  /** v86: which of its network cards. */
  card: "virtio" | "ne2k";
}

/** What something took. */
export interface Cost {
  /** By the clock on the wall. */
  milliseconds: number;
  /** Of processor time, all threads of the guest's process together: other programs on the machine disturb it less. */
  processor: number;
  /** Executed by the guest. */
  instructions: number;
}

/** From the moment the guest's shell began with the command until it was done with it, seen from the host. */
export interface CommandResult extends Cost {
  status: number;
  output: string;
  /** Accesses to the disk's registers; with v86 those that `countPorts` was told of. */
  accesses: number;
}

/** Where a guest's bytes arrive: the console that its shell is on, or v86's virtio console. */
export type Stream = "console" | "virtio-console";

/** Of properties, not methods: they are handed around. */
export interface GuestCalls {
  /** The cost of booting: from files on the host's disk until the guest says that it is in /init. */
  boot: (request: BootRequest) => Promise<Cost>;
  /** Waits for the login shell and starts the benchmark's own in its place. Only with an initramfs that has it. */
  login: () => Promise<void>;
  /** Runs one line of shell. */
  run: (command: string) => Promise<CommandResult>;
  /** Runs a command that writes `expected` (with "\n" as "\r\n", as terminals want it) to a stream; rejects unless every byte
   * comes. Until the command is over and the last byte is there. */
  stream: (command: string, stream: Stream, expected: string) => Promise<Cost>;
  /** v86: counts accesses to these ports from now on. */
  countPorts: (ranges: PortRange[]) => Promise<void>;
  /** Stops the guest where it is, so that another one has the machine for itself. */
  pause: () => Promise<void>;
  resume: () => Promise<void>;
}

export type CallName = keyof GuestCalls;

export interface Call {
  id: number;
  name: CallName;
  args: unknown[];
}

export type Reply = { id: number; result: unknown } | { id: number; error: string };
