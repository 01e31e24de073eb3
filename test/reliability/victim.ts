/** A machine that can be killed. */
export interface Victim {
  /** Runs a command in the guest. Rejects when the machine is gone. */
  exec(command: string): Promise<{ status: number; stdout: string }>;
  /** SIGKILL; resolves when nothing of it runs any more. */
  kill(): Promise<void>;
}

/** Where machines of one kind come from; their disks outlive them. The disks are called "plain" and "over". */
export interface Lab {
  /** Opens the disks that the last victim had. */
  start(): Promise<Victim>;
  /** Where the disks are, for those who want to look after a loss. */
  readonly folder: string;
  dispose(): Promise<void>;
}
