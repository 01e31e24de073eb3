/** A guest's `apt-get update` through a room's way out, from a mirror that this computer's own apt uses. */
import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";
import { it } from "node:test";
import { systemMirrors } from "../../images/apt/private-apt.ts";
import { ensureTool } from "../tools/ensure.ts";
import { startRelay } from "../tools/relay-process.ts";
import { boot } from "./support.ts";

/** A small one. */
const SUITE = "bookworm-updates";

void it("apt-get update through passt, signatures checked", async (test) => {
  const mirror = await reachableMirror();
  if ("obstacle" in mirror) {
    test.skip(mirror.obstacle);
    return;
  }
  const { command, env } = await ensureTool("passt");
  await using relay = await startRelay(
    ["--uplink", "lab", "--uplink-allow", mirror.address, "--log", "warn"],
    { ...env, PATH: `${command.slice(0, command.lastIndexOf("/"))}:${process.env["PATH"]}` },
  );
  await using guest = await boot(`image=debian&device=net,wire=room:lab,relay=${relay.url}`);
  // Where this computer knows the name from its own table alone, no DNS server does.
  await guest.sh(`echo ${mirror.address} ${new URL(mirror.url).hostname} >>/etc/hosts`);
  await guest.sh(`echo deb ${mirror.url} ${SUITE} main >/etc/apt/sources.list`);
  const output = await guest.sh("apt-get update 2>&1");
  assert.match(output, new RegExp(`^Get:\\d+ ${mirror.url} ${SUITE} InRelease`, "m"));
  assert.doesNotMatch(output, /^[EW]:/m, "neither errors nor warnings");
});

async function reachableMirror(): Promise<{ url: string; address: string } | { obstacle: string }> {
  const [url] = (await systemMirrors("bookworm")).archive;
  if (!url?.startsWith("http://")) return { obstacle: "this computer's apt uses no mirror over plain HTTP" };
  try {
    const { status } = await fetch(`${url}/dists/${SUITE}/InRelease`, {
      method: "HEAD",
      signal: AbortSignal.timeout(10_000),
    });
    if (status !== 200) return { obstacle: `the mirror answers ${status}` };
    const { address } = await lookup(new URL(url).hostname, 4);
    return { url, address };
  } catch (error) {
    return { obstacle: `the mirror cannot be reached from here: ${String(error)}` };
  }
}
