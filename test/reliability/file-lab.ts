import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBase } from "./base.ts";
import type { Answer, Question } from "./file-victim.ts";
import type { Lab, Victim } from "./victim.ts";

/** Machines in Node processes, with a raw disk file and an overlay file over a raw image. */
export async function openFileLab(): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), "ringside-reliability-"));
  const base = await makeBase(folder);
  const config =
    `memory=96M&device=blk,id=plain,store=file,path=${join(folder, "plain.raw")},size=64M` +
    `&device=blk,id=over,store=file,path=${join(folder, "over.disk")},base=${base}`;
  return {
    folder,
    start: () => FileVictim.start(config),
    dispose: () => {
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

class FileVictim implements Victim {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: Error) => void }
  >();
  #number = 0;

  static async start(config: string): Promise<FileVictim> {
    const child = fork(join(import.meta.dirname, "file-victim.ts"), [config], {
      execArgv: ["--import", "tsx"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const victim = new FileVictim(child);
    await victim.exec("true");
    return victim;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (answer: Answer) => {
      this.#waiting.get(answer.number)?.resolve(answer);
      this.#waiting.delete(answer.number);
    });
    child.on("exit", (code) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`The machine's process ended (${code}).`));
      this.#waiting.clear();
    });
  }

  exec(command: string): Promise<{ status: number; stdout: string }> {
    const question: Question = { number: ++this.#number, command };
    return new Promise((resolve, reject) => {
      if (!this.#child.connected) {
        reject(new Error("The machine's process has ended."));
        return;
      }
      this.#waiting.set(question.number, { resolve, reject });
      this.#child.send(question);
    });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }
}
