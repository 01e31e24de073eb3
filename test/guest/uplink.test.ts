/** The way out of a room, against the real passt, in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { it } from "node:test";

const ROOT = process.getuid?.() === 0;
/** Without root one is root in a namespace of users. */
const NAMESPACE = ROOT ? ["--net"] : ["--net", "--user", "--map-root-user"];

for (const file of ["members.ts", "inside.ts"]) {
  void it(`${file}, kept apart from this computer's network`, { skip: obstacle() }, async (test) => {
    const path = join(import.meta.dirname, "uplink", file);
    const child = spawn(
      "unshare",
      [...NAMESPACE, process.execPath, "--import", "tsx", "--test-reporter=spec", path],
      {
        stdio: ["ignore", "pipe", "inherit"],
        // It is a test run of its own, not a part of this one.
        env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      },
    );
    test.signal.addEventListener("abort", () => child.kill("SIGKILL"));
    const [output, status] = await Promise.all([
      text(child.stdout),
      new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve)),
    ]);
    assert.equal(status, 0, output);
    test.diagnostic(output);
  });
}

function obstacle(): string | false {
  const { status, stderr, error } = spawnSync("unshare", [...NAMESPACE, "true"], { encoding: "utf8" });
  if (status === 0) return false;
  return `no network namespace can be made here: ${(error?.message ?? stderr).trim()}`;
}
