/** `npm test`: makes what the tests need, then runs all of them, each part as its own command. */
import { spawnSync } from "node:child_process";
import { ensureImages } from "../images/ensure.ts";
import { streamProgress } from "../images/progress.ts";
import { ensureChromium } from "./chromium.ts";

const PARTS = ["check", "test:unit", "conformance", "fuzz", "test:guest", "test:browser"];

await ensureImages(["debian-busybox"], streamProgress(process.stdout, "images: "));
const chromium = await ensureChromium();

const failed = PARTS.filter((part) => {
  console.log(`\n=== npm run ${part}`);
  const started = performance.now();
  const { status } = spawnSync("npm", ["run", "--silent", part], {
    stdio: "inherit",
    env: { ...process.env, RINGSIDE_CHROMIUM: chromium },
  });
  console.log(`=== ${part}: ${status === 0 ? "passed" : "FAILED"} after ${seconds(started)} s`);
  return status !== 0;
});

console.log(failed.length === 0 ? "\nAll parts passed." : `\nFailed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}
