import type { Readable } from "node:stream";
import type { WriteStream } from "node:tty";
import type { OpenMachine } from "./open.ts";

/** Ctrl-], as telnet and others have it. */
const LEAVE = 0x1d;

/**
 * Whatever the guest's programs switched on in the person's terminal, off again: mouse reports, bracketed paste, the
 * alternate screen, then a soft reset (cursor, colours, keypad).
 */
const TO_NORMAL = "\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?1006l\u001b[?2004l\u001b[?1049l\u001b[!p";

/** A process's standard input: a terminal, a file or a pipe. */
export interface HostInput extends Readable {
  isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

export interface HostTerminalOptions {
  input: HostInput;
  output: WriteStream;
  /** In characters; the window's own, followed when it changes, unless given. */
  size?: { columns: number; rows: number };
  /** The person pressed Ctrl-]. */
  onLeave: () => void;
}

/** The process's standard streams as the guest's console. */
export class HostTerminal {
  readonly #options: HostTerminalOptions;
  #raw = false;
  #machine: OpenMachine | undefined;
  readonly #restore = (): void => this.#toNormal();
  readonly #resize = (): void => {
    const { columns, rows } = this.size;
    this.#machine?.resizeTerminal(columns, rows);
  };

  constructor(options: HostTerminalOptions) {
    this.#options = options;
  }

  /** In characters. */
  get size(): { columns: number; rows: number } {
    const { output, size } = this.#options;
    if (size) return size;
    return output.isTTY ? { columns: output.columns, rows: output.rows } : { columns: 80, rows: 24 };
  }

  /** A person at a keyboard, and not a file or a pipe. */
  get interactive(): boolean {
    return this.#options.input.isTTY ?? false;
  }

  /** Connects keyboard and window to the machine. Resolves when the input has ended; never when a person types. */
  async connect(machine: OpenMachine): Promise<void> {
    const { input, output, onLeave } = this.#options;
    const { interactive } = this;
    this.#machine = machine;
    if (output.isTTY) output.on("resize", this.#resize);
    this.#resize();
    if (interactive) this.#toRaw();
    // Before there is a shell, the guest's terminal would lose what a pipe has ready at once.
    else await machine.when("running", "halted", "crashed", "off");
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const end = interactive ? chunk.indexOf(LEAVE) : -1;
      const taken = machine.type(end < 0 ? chunk : chunk.subarray(0, end));
      if (end >= 0) onLeave();
      // A guest that does not read lets a pipe wait; a keyboard is read on, or Ctrl-] would wait with it.
      if (!interactive) await taken;
    }
  }

  /** Gives the terminal back as it was. */
  dispose(): void {
    this.#toNormal();
    this.#options.output.off("resize", this.#resize);
    process.off("exit", this.#restore);
    this.#options.input.destroy();
    this.#machine = undefined;
  }

  #toRaw(): void {
    // The last way out: process.exit, an uncaught error.
    process.once("exit", this.#restore);
    this.#options.input.setRawMode?.(true);
    this.#raw = true;
  }

  #toNormal(): void {
    if (!this.#raw) return;
    this.#raw = false;
    this.#options.input.setRawMode?.(false);
    if (this.#options.output.isTTY) this.#options.output.write(TO_NORMAL);
  }
}
