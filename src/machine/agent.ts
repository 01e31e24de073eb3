import type { ConsolePort, ConsoleSink } from "../virtio/console.ts";

/** The guest went away (powered off, reset, crashed, or its agent died) while a command ran or waited. */
export class GuestGoneError extends Error {
  override name = "GuestGoneError";
}

export interface ExecOptions {
  stdout?: ConsoleSink;
  stderr?: ConsoleSink;
  /** Stops waiting. A command that has begun goes on in the guest, and the next one waits for its end. */
  signal?: AbortSignal;
}

/** The named ports of the console device that the agent in the guest opens (images/README.md has the protocol). */
export const AGENT_PORTS = ["ringside.exec", "ringside.stdout", "ringside.stderr"] as const;

/** Bytes of a command: what Linux takes as one argument of a program, MAX_ARG_STRLEN, with its final zero. */
const LONGEST_COMMAND = 128 * 1024 - 1;

/** The longest line that the agent sends; more means that something else writes to its port. */
const LONGEST_REPLY = 256;

interface Command {
  text: string;
  options: ExecOptions;
  resolve(status: number): void;
  reject(error: Error): void;
}

/** Runs shell commands in the guest through its agent, one after the other. */
export class GuestAgent {
  readonly #exec: ConsolePort;
  readonly #stdout: ConsolePort;
  readonly #stderr: ConsolePort;
  readonly #onReady: () => void;
  #ready = false;
  #line = "";
  #current: Command | undefined;
  /** Begins and ends each command: of this opening of the port. */
  #tag = "";
  /** Bytes of the running command, of which the agent has not said that it had them. */
  #unheard = 0;
  /** The same of commands that were lost. */
  #owed = 0;
  readonly #waiting: Command[] = [];

  /** @param ports those named in AGENT_PORTS, in that order. */
  constructor(ports: readonly ConsolePort[], onReady: () => void) {
    [this.#exec, this.#stdout, this.#stderr] = ports as [ConsolePort, ConsolePort, ConsolePort];
    this.#onReady = onReady;
    this.#exec.connect({ write: (data) => this.#receive(data) });
    this.#stdout.connect({ write: (data) => this.#current?.options.stdout?.write(data) });
    this.#stderr.connect({ write: (data) => this.#current?.options.stderr?.write(data) });
    this.#exec.onGuestOpen = (open) => {
      if (open) this.#greet();
      else this.gone("The guest closed the agent's port.", false);
    };
  }

  get ready(): boolean {
    return this.#ready;
  }

  /**
   * Resolves with the command's exit status when all its output went to the sinks. Waits for the agent to be there. Rejects
   * with a RangeError when the command is too long, with a GuestGoneError when the guest goes away.
   */
  async run(text: string, options: ExecOptions = {}): Promise<number> {
    const { signal } = options;
    signal?.throwIfAborted();
    const { length } = new TextEncoder().encode(text);
    if (length > LONGEST_COMMAND) {
      throw new RangeError(
        `The command has ${length} bytes, and the guest takes at most ${LONGEST_COMMAND}: give it a file on a disk to run.`,
      );
    }
    let abort: (() => void) | undefined;
    try {
      return await new Promise<number>((resolve, reject) => {
        const command: Command = { text, options, resolve, reject };
        abort = () => {
          const place = this.#waiting.indexOf(command);
          if (place >= 0) this.#waiting.splice(place, 1);
          reject(new DOMException("The wait for the command was given up.", "AbortError"));
        };
        signal?.addEventListener("abort", abort);
        this.#waiting.push(command);
        this.#next();
      });
    } finally {
      if (abort) signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends the running command, and, if the guest will not come back, those that wait, with an error. */
  gone(reason: string, forGood: boolean): void {
    this.#ready = false;
    this.#line = "";
    this.#owed += this.#unheard;
    this.#unheard = 0;
    const ended = [this.#current, ...(forGood ? this.#waiting.splice(0) : [])];
    this.#current = undefined;
    for (const command of ended) command?.reject(new GuestGoneError(reason));
  }

  /**
   * Asks whoever opened the port for a sign of life: a guest that was suspended has the same agent as before. That one may
   * wait for the rest of a command that was lost on the way; it gets as many line ends, and the new tag keeps it from
   * running what it has.
   */
  #greet(): void {
    this.#tag = crypto.randomUUID().slice(0, 8);
    this.#send(`${"\n".repeat(this.#owed + 1)}hello ${this.#tag}\n`);
  }

  #send(text: string): void {
    void this.#exec.send(new TextEncoder().encode(text));
  }

  #next(): void {
    if (!this.#ready || this.#current) return;
    this.#current = this.#waiting.shift();
    if (!this.#current) return;
    const { text } = this.#current;
    this.#unheard = new TextEncoder().encode(text).length;
    this.#send(`${this.#tag} ${this.#unheard}\n${text}${this.#tag}\n`);
  }

  #receive(data: Uint8Array): undefined {
    this.#line += new TextDecoder("latin1").decode(data);
    for (let end = this.#line.indexOf("\n"); end >= 0; end = this.#line.indexOf("\n")) {
      const line = this.#line.slice(0, end);
      this.#line = this.#line.slice(end + 1);
      this.#reply(line.trim());
    }
    if (this.#line.length > LONGEST_REPLY) this.#line = "";
  }

  #reply(line: string): void {
    if (line === "ready") {
      this.gone("The agent in the guest was started anew.", false);
      this.#ready = true;
      this.#owed = 0;
      this.#onReady();
      this.#next();
      return;
    }
    this.#unheard = 0;
    const status = /^exit (\d{1,3})$/.exec(line)?.[1];
    const command = this.#current;
    if (status === undefined || !command) return;
    // What the command wrote is in the other ports' queues by now, but perhaps not all of it in the sinks.
    void Promise.all([this.#stdout.drained(), this.#stderr.drained()]).then(() => {
      if (this.#current !== command) return;
      this.#current = undefined;
      command.resolve(Number(status));
      this.#next();
    });
  }
}
