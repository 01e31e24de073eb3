import { LineReader } from "./line-reader.ts";
import { costBetween, type Moment, now } from "./moment.ts";
import type { CommandResult, Cost } from "./protocol.ts";

/** What a shell needs of the machine that it runs on. */
export interface Terminal {
  type(text: string): void;
  /** Guest instructions so far; differences count modulo 2^32. */
  instructions(): number;
  /** Register accesses that were counted so far. */
  accesses(): number;
}

/** Milliseconds that a guest may be silent. */
const PATIENCE = 180_000;

/** The host's end of guest/shell.sh, and before it of the login shell. */
export class Shell {
  readonly #terminal: Terminal;
  readonly #lines: LineReader;
  #waiting: { mark: RegExp; found: (line: string) => void }[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#lines = new LineReader((line) => this.#marked(line));
  }

  put(bytes: Uint8Array): void {
    this.#lines.put(bytes);
  }

  putByte(byte: number): void {
    this.#lines.putByte(byte);
  }

  /** Starts shell.sh from the login shell, which is at its prompt or will soon be: a terminal keeps what is typed ahead. */
  async login(): Promise<void> {
    await this.#poll(() => /@ringside\S*# /.test(this.#lines.text().slice(-400)));
    const ready = this.#wait(/^@@ready/);
    this.#terminal.type("exec sh /bench/shell.sh\n");
    await ready;
    this.#lines.clear();
  }

  async run(command: string): Promise<CommandResult> {
    const begin = this.#begin();
    const end = this.#end();
    this.#lines.clear();
    this.#terminal.type(`${command}\n`);
    const from = await begin;
    const to = await end;
    return {
      ...costBetween(from, to),
      status: Number(to.line.split(" ")[1]),
      output: between(this.#lines.text()).replaceAll("\r\n", "\n"),
      accesses: to.accesses - from.accesses,
    };
  }

  /** As `run`, for a command whose output is `expected` and all of it. */
  async stream(command: string, expected: string): Promise<Cost> {
    const { output, status, ...cost } = await this.run(command);
    if (status !== 0) throw new Error(`"${command}" ended with status ${status}`);
    assertArrived(command, output, expected);
    return cost;
  }

  /** As `run`, for a command whose output goes somewhere else: over when `arrived` says so too. */
  async streamElsewhere(command: string, arrived: Promise<void>): Promise<Cost> {
    const begin = this.#begin();
    const end = this.#end();
    this.#lines.clear();
    this.#terminal.type(`${command}\n`);
    const from = await begin;
    await Promise.all([end, withPatience(arrived, command)]);
    return costBetween(from, now(this.#terminal.instructions()));
  }

  #begin(): Promise<Mark> {
    return this.#wait(/^@@begin/);
  }

  #end(): Promise<Mark> {
    return this.#wait(/^@@end \d+/);
  }

  /** The clocks are read when the mark arrives, not when the promise's turn comes. */
  #wait(mark: RegExp): Promise<Mark> {
    const moment = new Promise<Mark>((resolve) => {
      const found = (line: string): void =>
        resolve({
          ...now(this.#terminal.instructions()),
          line,
          accesses: this.#terminal.accesses(),
        });
      this.#waiting.push({ mark, found });
    });
    return withPatience(moment, String(mark), () => this.#lines.text());
  }

  #marked(line: string): void {
    const first = this.#waiting[0];
    if (!first?.mark.test(line)) return;
    this.#waiting.shift();
    first.found(line);
  }

  async #poll(test: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE;
    while (!test()) {
      if (performance.now() > deadline) throw silent("the shell's prompt", this.#lines.text());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

interface Mark extends Moment {
  line: string;
  accesses: number;
}

/** What stands between the marks of one command. */
function between(text: string): string {
  const start = text.indexOf("\n", text.indexOf("@@begin")) + 1;
  return text.slice(start, text.lastIndexOf("@@end"));
}

export function assertArrived(command: string, output: string, expected: string): void {
  if (output === expected) return;
  let same = 0;
  while (same < output.length && output[same] === expected[same]) same++;
  const [came, wanted] = [output, expected].map((text) => JSON.stringify(text.slice(same, same + 100)));
  throw new Error(
    `"${command}": ${output.length} characters came instead of ${expected.length}, the same up to ${same}. ` +
      `Then came ${came} instead of ${wanted}.`,
  );
}

function silent(what: string, text: string): Error {
  return new Error(`Waited ${PATIENCE / 1000} s for ${what}. The guest's last words:\n${text.slice(-1500)}`);
}

function withPatience<T>(promise: Promise<T>, what: string, text = (): string => ""): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(silent(what, text())), PATIENCE);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
