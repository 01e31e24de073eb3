/** The relay in a process of its own, as `ringside relay` starts it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { PROJECT } from "../material.ts";

export interface RelayProcess {
  /** For `relay=`. */
  url: string;
  stop(): Promise<void>;
}

/** @param options of the command line, besides any free port. */
export async function startRelay(options: readonly string[] = []): Promise<RelayProcess> {
  const program = join(PROJECT, "bin/ringside.mjs");
  const child = spawn(process.execPath, [program, "relay", "--port", "0", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const url = new Promise<string>((resolve, reject) => {
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const [found] = /wss?:\/\/\S+/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error(`The relay ended at once:\n${said}`)));
  });
  return {
    url: await url,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
