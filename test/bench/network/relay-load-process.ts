import { fork } from "node:child_process";
import { join } from "node:path";
import type { LoadRequest, LoadResult } from "./relay-load.ts";

/** Puts a load on a relay from another process. */
export async function putLoad(request: LoadRequest): Promise<LoadResult> {
  const child = fork(join(import.meta.dirname, "relay-load.ts"), { execArgv: ["--import", "tsx"] });
  try {
    return await new Promise<LoadResult>((resolve, reject) => {
      child.once("message", (answer: { result: LoadResult } | { error: string }) => {
        if ("error" in answer) reject(new Error(`The relay's clients: ${answer.error}`));
        else resolve(answer.result);
      });
      child.once("exit", (code) => reject(new Error(`The relay's clients ended with ${code}.`)));
      child.send(request);
    });
  } finally {
    child.kill("SIGKILL");
  }
}
