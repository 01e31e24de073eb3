/** `npm test`: makes what the tests need, then runs all of them, each part as its own command. */
import { spawn } from "node:child_process";
import { ensureImages } from "../images/ensure.ts";
import { streamProgress } from "../images/progress.ts";
import { ensureChromium } from "./chromium.ts";

/** What needs no guest, or only the small one. */
const QUICK_PARTS = ["check", "test:unit", "conformance", "fuzz"];
const GUEST_PARTS = ["test:guest", "test:browser"];

await ensureImages(["debian-busybox"], streamProgress(process.stdout, "images: "));
const chromium = await ensureChromium();

// It takes minutes, many of them waiting for downloads and for the disk: the quick parts run meanwhile.
const debian = run("npm", ["run", "--silent", "images", "--", "debian"], "pipe");
const tools = run(process.execPath, ["--import", "tsx", "test/tools/main.ts"], "pipe");
const failed = await runParts(QUICK_PARTS);
for (const [part, ended] of [
  ["images -- debian", debian],
  ["programs for the tests", tools],
] as const) {
  const { status, output } = await ended;
  console.log(`\n=== ${part}\n${output}=== ${status === 0 ? "there" : "FAILED"}`);
  if (status !== 0) failed.push(part);
}
failed.push(...(await runParts(GUEST_PARTS)));

console.log(failed.length === 0 ? "\nAll parts passed." : `\nFailed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Returns those that failed. */
async function runParts(parts: readonly string[]): Promise<string[]> {
  const failed: string[] = [];
  for (const part of parts) {
    console.log(`\n=== npm run ${part}`);
    const started = performance.now();
    const { status } = await run("npm", ["run", "--silent", part], "inherit");
    console.log(`=== ${part}: ${status === 0 ? "passed" : "FAILED"} after ${seconds(started)} s`);
    if (status !== 0) failed.push(part);
  }
  return failed;
}

/** With "pipe" its output is kept until it has ended. A signal is no status. */
function run(
  program: string,
  args: string[],
  output: "inherit" | "pipe",
): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["inherit", output, output],
      env: { ...process.env, RINGSIDE_CHROMIUM: chromium },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (said += text));
    }
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, output: said }));
  });
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}
