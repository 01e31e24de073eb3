/** The relay in a process of its own, as `ringside relay` starts it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const PROGRAM = join(import.meta.dirname, "../../bin/ringside.mjs");

export interface RelayProcess extends AsyncDisposable {
  /** For `relay=`. */
  url: string;
  port: number;
  /** As Ctrl-C does; resolves when it is gone. */
  stop(): Promise<void>;
  /** As a crash does. */
  kill(): Promise<void>;
}

/** @param options of the command line; any free port unless they name one. */
export async function startRelay(
  options: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<RelayProcess> {
  const child = spawn(process.execPath, [PROGRAM, "relay", "--port", "0", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const ended = once(child, "exit");
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  const url = await new Promise<string>((resolve, reject) => {
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const [found] = /wss?:\/\/\S+(?=\s)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    ended.then(() => reject(new Error(`The relay ended at once:\n${said}`)), reject);
  });
  return {
    url,
    port: Number(new URL(url).port),
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    [Symbol.asyncDispose]: () => end("SIGKILL"),
  };
}
