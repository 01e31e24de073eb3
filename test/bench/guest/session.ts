import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { BootRequest, Call, CallName, Cost, GuestCalls, Reply } from "./protocol.ts";

/** A guest in a child process. Whoever opened it disposes of it. */
export class GuestSession {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #next = 0;

  constructor() {
    this.#child = fork(join(import.meta.dirname, "child.ts"), {
      execArgv: ["--import", "tsx"],
      // v86 is talkative; what goes wrong comes back as an error.
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (reply: Reply) => this.#settle(reply));
    this.#child.on("exit", (code, signal) => this.#gone(`ended with ${signal ?? code}`));
    this.#child.on("error", (error) => this.#gone(error.message));
  }

  boot(request: BootRequest): Promise<Cost> {
    return this.#call("boot", request);
  }

  readonly login: GuestCalls["login"] = () => this.#call("login");
  readonly run: GuestCalls["run"] = (command) => this.#call("run", command);
  readonly stream: GuestCalls["stream"] = (...args) => this.#call("stream", ...args);
  readonly countPorts: GuestCalls["countPorts"] = (ranges) => this.#call("countPorts", ranges);
  readonly pause: GuestCalls["pause"] = () => this.#call("pause");
  readonly resume: GuestCalls["resume"] = () => this.#call("resume");

  /** As `run`; rejects when the command fails. Returns what it printed. */
  async output(command: string): Promise<string> {
    const { status, output } = await this.run(command);
    if (status !== 0) throw new Error(`In the guest, "${command}" ended with status ${status}:\n${output}`);
    return output;
  }

  async dispose(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  #call<Name extends CallName>(
    name: Name,
    ...args: Parameters<GuestCalls[Name]>
  ): Promise<Awaited<ReturnType<GuestCalls[Name]>>> {
    return new Promise((resolve, reject) => {
      const call: Call = { id: this.#next++, name, args };
      this.#open.set(call.id, { resolve, reject });
      this.#child.send(call, (error) => {
        if (error) this.#gone(error.message);
      });
    });
  }

  #settle(reply: Reply): void {
    const call = this.#open.get(reply.id);
    this.#open.delete(reply.id);
    if ("error" in reply) call?.reject(new Error(`In the guest's process: ${reply.error}`));
    else call?.resolve(reply.result as never);
  }

  #gone(how: string): void {
    for (const { reject } of this.#open.values()) reject(new Error(`The guest's process ${how}.`));
    this.#open.clear();
  }
}

/** Opens sessions, hands them to `work`, and closes them whatever happens. */
export async function withSessions<T>(
  count: number,
  work: (sessions: GuestSession[]) => Promise<T>,
): Promise<T> {
  const sessions = Array.from({ length: count }, () => new GuestSession());
  try {
    return await work(sessions);
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}
