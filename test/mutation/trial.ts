import { spawn } from "node:child_process";
import type { Workspace } from "./workspace.ts";

/** Seconds after which a test file that does not end is stopped. */
const PATIENCE = 60;

export type Trial =
  | { result: "passed" }
  | { result: "failed"; test: string }
  /** No test has failed, and yet the file did not pass: it does not compile, or does not end. */
  | { result: "broken"; why: string };

/** Runs one file of unit tests in a workspace, up to the first test that fails. */
export async function tryTests({ folder }: Workspace, name: string): Promise<Trial> {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--test-reporter=./test/mutation/first-failure.ts", `test/unit/${name}.test.ts`],
    { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
  );
  let [said, complaint] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE * 1000);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  clearTimeout(timer);
  if (said !== "") return { result: "failed", test: said };
  if (code === 0) return { result: "passed" };
  if (code === null) return { result: "broken", why: `not at its end after ${PATIENCE} seconds` };
  return { result: "broken", why: complaint.trim() };
}
