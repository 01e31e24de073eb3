import assert from "node:assert/strict";
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DiskServer, KillableBrowser, temporaryProfile } from "./disk-support.ts";
import { BLOCK, BLOCKS, OF_BASE, momentOf } from "./disk-workload.ts";

/** How often the browser is killed at a random moment. More for a longer look: RINGSIDE_KILLS=200. */
const KILLS = Number(process.env["RINGSIDE_KILLS"] ?? 6);

describe("IndexedDB disk when the browser is killed", () => {
  const profile = temporaryProfile();
  let server: DiskServer;
  let browser: KillableBrowser | undefined;

  before(async () => {
    server = await DiskServer.start();
  });
  afterEach(async () => {
    await browser?.kill();
    browser = undefined;
  });
  after(() => {
    server.dispose();
    profile.dispose();
  });

  it("has what was flushed right before", async () => {
    browser = await KillableBrowser.start(profile.folder);
    const page = await browser.open(server.origin);
    await page.evaluate(async () => {
      const disk = await tools.openIdbDisk("flushed", { size: 64 * 2 ** 20 });
      for (let n = 0; n < 100; n++) await tools.write(disk, n * 50_000, tools.pattern(3000, n));
      await disk.flush();
    });
    await browser.kill();
    browser = await KillableBrowser.start(profile.folder);
    const again = await browser.open(server.origin);
    await again.evaluate(async () => {
      const disk = await tools.openIdbDisk("flushed");
      if (disk.capacity !== 64 * 2 ** 20) throw new Error(`It has ${disk.capacity} bytes.`);
      for (let n = 0; n < 100; n++) {
        tools.requireSame(await tools.read(disk, n * 50_000, 3000), tools.pattern(3000, n), `piece ${n}`);
      }
      await disk.dispose();
    });
  });

  it("outlives the browser's going on behind a record that a kill cut", async () => {
    const use = async (piece: number, expected: readonly number[]): Promise<void> => {
      browser = await KillableBrowser.start(profile.folder);
      const page = await browser.open(server.origin);
      await page.evaluate(
        async ([piece, expected]) => {
          const disk = await tools.openIdbDisk("cut", { size: 2 ** 20 });
          for (const n of expected)
            tools.requireSame(await tools.read(disk, n * 50_000, 3000), tools.pattern(3000, n), `piece ${n}`);
          await tools.write(disk, piece * 50_000, tools.pattern(3000, piece));
          await disk.flush();
        },
        [piece, expected] as const,
      );
      await browser.kill();
    };
    await use(0, []);
    await use(1, [0]);
    // What a kill in the middle of a write leaves: of the last record, piece 1's, all but the end.
    const log = newestLog(join(profile.folder, "Default/IndexedDB"), server.port);
    truncateSync(log, statSync(log).size - 3);
    await use(2, [0]);
    await use(3, [0, 2]);
  });

  for (const over of [false, true]) {
    it(`${over ? "over a base " : ""}is as it was at one moment, not before the last flush, after each of ${KILLS} kills`, (test) =>
      killed(over, (text) => test.diagnostic(text)));
  }

  async function killed(over: boolean, tell: (text: string) => void): Promise<void> {
    let moment = 0;
    let newer = 0;
    for (let round = 0; round <= KILLS; round++) {
      browser = await KillableBrowser.start(profile.folder);
      const page = await browser.open(server.origin);
      const numbers = await page.evaluate(
        async ([size, small, over]) => {
          // In every other round much is saved without a flush.
          const bounds = small ? { writeBack: 2 ** 18, unsaved: 2 ** 20, cache: 2 ** 20 } : {};
          globalThis.disk = over
            ? await tools.openIdbDisk("over", { base: tools.workBase(), bounds })
            : await tools.openIdbDisk("work", { size, bounds });
          return tools.numbers(disk);
        },
        [BLOCK * BLOCKS, round % 2 === 1, over] as const,
      );
      const survived = momentOf(numbers, over ? OF_BASE : 0);
      assert.ok(
        survived >= moment,
        `round ${round}: step ${moment} was flushed, but only ${survived} is there`,
      );
      if (survived > moment) newer++;
      moment = survived;
      if (round === KILLS) break;

      const flushed = { step: moment };
      page.on("console", (message) => {
        const step = /^flushed (\d+)$/.exec(message.text())?.[1];
        if (step !== undefined) flushed.step = Math.max(flushed.step, Number(step));
      });
      await page.evaluate((from) => {
        void tools.work(disk, from, (step) => console.log(`flushed ${step}`));
      }, moment + 1);
      await sleep(20 + Math.random() * 400);
      await browser.kill();
      browser = undefined;
      moment = flushed.step;
    }
    tell(`${moment} steps survived; ${newer} times the disk was newer than the last flush heard of`);
    assert.ok(moment > KILLS, "the workload did next to nothing");
  }
});

/** Chromium's log of an origin's databases, where what is committed is first. */
function newestLog(folder: string, port: number): string {
  const database = join(folder, `http_127.0.0.1_${port}.indexeddb.leveldb`);
  const name = readdirSync(database)
    .filter((file) => file.endsWith(".log"))
    .sort()
    .at(-1);
  assert.ok(name, `Chromium has no log in ${database}`);
  return join(database, name);
}
