/** What a disk in IndexedDB takes of the renderer's memory when far more is written than its bounds. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DiskServer, KillableBrowser, temporaryProfile } from "./disk-support.ts";

const MiB = 2 ** 20;

/** How much is written. The bounds are reached after 100 MiB; more for a longer look: RINGSIDE_WRITTEN=1024 (MiB). */
const WRITTEN = Number(process.env["RINGSIDE_WRITTEN"] ?? 320) * MiB;

/** More than the renderer may grow by. */
const MOST = 96 * MiB;

describe("memory of an IndexedDB disk", () => {
  const profile = temporaryProfile();
  let server: DiskServer;
  let browser: KillableBrowser;

  before(async () => {
    server = await DiskServer.start();
    browser = await KillableBrowser.start(profile.folder);
  });
  after(async () => {
    await browser.kill();
    server.dispose();
    profile.dispose();
  });

  for (const [how, every] of [
    ["without a flush", 0],
    ["with a flush after every 4 MiB", 4],
  ] as const) {
    it(`grows by less than ${MOST / MiB} MiB when ${WRITTEN / MiB} MiB are written ${how}`, async (test) => {
      const page = await browser.open(server.origin);
      const processes = await renderers();
      await page.evaluate(async () => {
        globalThis.disk = await tools.openIdbDisk("memory", { size: 2 ** 31 });
        await tools.write(disk, 0, tools.pattern(2 ** 20, 1));
        await disk.flush();
      });
      const usual = resident(processes);
      let most = 0;
      let done = false;
      const writing = page
        .evaluate(
          async ([written, every]) => {
            const bytes = tools.pattern(2 ** 20, 2);
            for (let at = 0; at < written; at += bytes.length) {
              bytes[0] = at / bytes.length;
              await tools.write(disk, at, bytes);
              if (every > 0 && (at / bytes.length) % every === 0) await disk.flush();
            }
            await disk.flush();
          },
          [WRITTEN, every] as const,
        )
        .finally(() => (done = true));
      while (!done as boolean) {
        most = Math.max(most, resident(processes) - usual);
        await sleep(20);
      }
      await writing;
      test.diagnostic(`grew by ${(most / MiB).toFixed(0)} MiB at most`);
      await page.evaluate(async () => {
        await disk.dispose();
        await tools.deleteIdbDisk("memory");
      });
      await page.close();
      assert.ok(most > 16 * MiB, "what was measured is not the disk");
      assert.ok(most < MOST, `grew by ${most / MiB} MiB`);
    });
  }

  /** All processes that run pages: which of them has ours is not told, and the others do nothing. */
  async function renderers(): Promise<number[]> {
    const cdp = await browser.context.browser()!.newBrowserCDPSession();
    const { processInfo } = (await cdp.send("SystemInfo.getProcessInfo")) as {
      processInfo: { type: string; id: number }[];
    };
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  }
});

/** Bytes of processes in memory: their own and what they share, as structured clones are on their way to the browser. */
function resident(processes: readonly number[]): number {
  return processes.reduce((sum, pid) => sum + residentOf(pid), 0);
}

function residentOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return bytes("RssAnon") + bytes("RssShmem");
}
