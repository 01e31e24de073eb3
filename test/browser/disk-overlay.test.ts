/** Disks in IndexedDB over a base: what they keep, which base they take, and what they cost. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DiskServer, diskTabsForTests } from "./disk-support.ts";

const MiB = 2 ** 20;

const site = diskTabsForTests();
const { tab } = site;

describe("IndexedDB disk over a base", () => {
  it("behaves as an array of bytes that begins as the base, across closing and opening", async () => {
    const page = await tab();
    await page.evaluate(async () => {
      const size = 80 * 4096;
      const bounds = {
        cache: 2 ** 18,
        writeBack: 2 ** 16,
        unsaved: 2 ** 18,
        batch: 2 ** 17,
        readAhead: 2 ** 17,
      };
      let run = 0;
      await tools.fc.assert(
        tools.fc.asyncProperty(tools.steps(size, 100_000), async (list) => {
          const id = `model-${run++}`;
          const model = new Uint8Array(size);
          model.set(tools.testBase(60 * 4096 + 512).bytes);
          const open = () => tools.openIdbDisk(id, { size, bounds, base: tools.testBase(60 * 4096 + 512) });
          await tools.checkAgainstArray(list, open, model);
          await tools.deleteIdbDisk(id);
        }),
        { numRuns: 25 },
      );
    });
  });

  it("takes the base that it was made over, and no other", async () => {
    const page = await tab();
    const results = await page.evaluate(async () => {
      const open = (id: string, seed?: number) =>
        tools.openIdbDisk(
          id,
          seed === undefined ? { size: 2 ** 20 } : { base: tools.testBase(2 ** 20, seed) },
        );
      const over = await open("over", 1);
      await tools.write(over, 100, tools.pattern(50, 9));
      await over.resize(2 ** 21);
      await over.dispose();
      await (await open("plain")).dispose();
      const results = {
        other: await tools.outcome(open("over", 2)),
        none: await tools.outcome(open("over")),
        some: await tools.outcome(open("plain", 1)),
        small: await tools.outcome(
          tools.openIdbDisk("fresh", { size: 2 ** 19, base: tools.testBase(2 ** 20, 1) }),
        ),
      };
      const again = await open("over", 1);
      if (again.capacity !== 2 ** 21) throw new Error(`It has ${again.capacity} bytes.`);
      const expected = new Uint8Array(2 ** 21);
      expected.set(tools.testBase(2 ** 20, 1).bytes);
      expected.set(tools.pattern(50, 9), 100);
      tools.requireSame(await tools.read(again, 0, 2 ** 21), expected, "all of it");
      await again.dispose();
      return results;
    });
    const expected: [unknown, RegExp][] = [
      [
        results.other,
        /^The disk "over" holds changes to the image "test" \(1 MiB, test-1048576-1\) and cannot be opened over its present content \(1 MiB, test-1048576-2\)\. Reset the disk to its base/,
      ],
      [
        results.none,
        /^The disk "over" holds changes to the image "test" .* and cannot be opened without it\. Give it that base/,
      ],
      [results.some, /^The disk "plain" was made without a base and cannot be opened over the image "test"/],
      [results.small, /^The disk "fresh" cannot have 512 KiB: the image "test" .* is larger/],
    ];
    for (const [result, message] of expected) {
      assert.equal((result as { kind: string }).kind, "invalid");
      assert.match((result as { message: string }).message, message);
    }
  });

  it("opens disks of format 1, and brings them up to date when it may write", async () => {
    const page = await tab();
    const formats = await page.evaluate(async () => {
      const name = "ringside-disk-old";
      const transact = <T>(act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> =>
        new Promise((resolve, reject) => {
          const request = indexedDB.open(name);
          request.onupgradeneeded = () => request.result.createObjectStore("chunks");
          request.onerror = () => reject(request.error!);
          request.onsuccess = () => {
            const transaction = request.result.transaction("chunks", "readwrite");
            const answer = act(transaction.objectStore("chunks"));
            transaction.oncomplete = () => {
              request.result.close();
              resolve(answer.result);
            };
          };
        });
      const format = () => transact((store) => store.get("disk") as IDBRequest<{ format: number }>);
      const created = "2026-01-01T00:00:00Z";
      await transact((store) => store.put({ format: 1, size: 2 ** 20, chunkSize: 32768, created }, "disk"));
      await transact((store) => store.put(tools.pattern(32768, 1), 3));
      const formats: number[] = [];
      for (const readOnly of [true, false]) {
        const disk = await tools.openIdbDisk("old", { readOnly });
        tools.requireSame(await tools.read(disk, 3 * 32768, 32768), tools.pattern(32768, 1), "what it had");
        tools.requireSame(await tools.read(disk, 0, 32768), new Uint8Array(32768), "what it had not");
        await disk.dispose();
        formats.push((await format()).format);
      }
      return formats;
    });
    assert.deepEqual(formats, [1, 2]);
  });

  it("keeps what was given back as holes, which cost no bytes, until something is written there", async () => {
    const page = await tab();
    const keys = await page.evaluate(async () => {
      const chunk = 32768;
      const base = () => tools.testBase(64 * chunk);
      const disk = await tools.openIdbDisk("holes", { base: base() });
      await tools.write(disk, 40 * chunk, tools.pattern(2 * chunk, 1));
      await disk.flush();
      disk.unmap.range(16 * chunk, 32 * chunk); // the first half of it is zeros in the base
      await disk.flush();
      await tools.write(disk, 45 * chunk + 5, tools.pattern(5, 2));
      await disk.dispose();
      const again = await tools.openIdbDisk("holes", { base: base() });
      const expected = base().bytes.slice();
      expected.fill(0, 16 * chunk, 48 * chunk);
      expected.set(tools.pattern(5, 2), 45 * chunk + 5);
      tools.requireSame(await tools.read(again, 0, 64 * chunk), expected, "all of it");
      await again.dispose();
      return new Promise<string[]>((resolve) => {
        const request = indexedDB.open("ringside-disk-holes");
        request.onsuccess = () => {
          const all = request.result.transaction("chunks").objectStore("chunks").getAllKeys();
          all.onsuccess = () => {
            request.result.close();
            resolve(all.result.map((key) => JSON.stringify(key)));
          };
        };
      });
    });
    const holes = Array.from({ length: 16 }, (_, index) => `[${32 + index}]`).filter((key) => key !== "[45]");
    assert.deepEqual(keys, ["45", '"disk"', ...holes]);
  });

  it("is shown read-only where there is none yet, and is then not made", async () => {
    const page = await tab();
    const list = await page.evaluate(async () => {
      const base = tools.testBase(2 ** 20);
      const view = await tools.openIdbDisk("view", { base, readOnly: true });
      tools.requireSame(await tools.read(view, 0, 2 ** 20), base.bytes, "the base");
      await view.dispose();
      return (await tools.listDisks()).map(({ name }) => name);
    });
    assert.ok(!list.includes("view"), list.join());
  });

  it("costs one strict transaction for a flush, and none for what is in the cache or of the base", async () => {
    const page = await tab();
    const { log, statistics } = await page.evaluate(async () => {
      const log: string[] = [];
      type Begin = (this: IDBDatabase, ...rest: Parameters<IDBDatabase["transaction"]>) => IDBTransaction;
      const begin = Reflect.get(IDBDatabase.prototype, "transaction") as Begin;
      const disk = await tools.openIdbDisk("cost", { base: tools.testBase(2 ** 22) });
      IDBDatabase.prototype.transaction = function (...rest) {
        const transaction = begin.apply(this, rest);
        log.push(`${transaction.mode}, ${transaction.durability}`);
        return transaction;
      };
      for (let n = 0; n < 20; n++) await tools.write(disk, n * 150_000 + 1, tools.pattern(512, n));
      disk.unmap.range(2 ** 21, 2 ** 18);
      await disk.flush();
      for (let n = 0; n < 20; n++) await tools.read(disk, n * 150_000, 4096);
      await tools.write(disk, 5, tools.pattern(5, 5));
      await Promise.all([disk.flush(), tools.read(disk, 2 ** 22 - 4096, 4096), disk.flush()]);
      IDBDatabase.prototype.transaction = begin;
      const { statistics } = disk;
      await disk.dispose();
      return { log, statistics };
    });
    assert.deepEqual(log, ["readwrite, strict", "readwrite, strict"]);
    assert.equal(statistics.saves, 2);
    assert.equal(statistics.loads, 0);
    assert.ok(statistics.baseLoads > 0);
  });
});

describe("trouble for an IndexedDB disk over a base", () => {
  it("is open in one tab at a time", async () => {
    const [one, other] = [await tab(), await tab()];
    const open = () => tools.outcome(tools.openIdbDisk("tabs", { base: tools.testBase(2 ** 20) }));
    assert.equal(await one.evaluate(open), "done");
    const refused = await other.evaluate(open);
    assert.equal((refused as { kind: string }).kind, "busy");
    await one.close();
    assert.equal(await other.evaluate(open), "done");
  });

  it("at the quota: an I/O error for the guest; what was flushed, and the base, stay readable", async () => {
    // An origin of its own: what other tests use of theirs is not known for sure.
    const crowded = await DiskServer.start();
    const { origin } = crowded;
    const page = await tab(origin);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 4 * MiB });
    await page.evaluate(async () => {
      globalThis.disk = await tools.openIdbDisk("full", {
        base: tools.testBase(16 * 2 ** 20),
        onMessage: (level, text) => messages.push(`${level}: ${text}`),
      });
      await tools.write(disk, 100, tools.pattern(2 ** 20, 2));
      await disk.flush();
    });
    const result = await page.evaluate(async () => {
      await tools.write(disk, 4 * 2 ** 20, tools.pattern(8 * 2 ** 20, 3));
      return tools.outcome(disk.flush());
    });
    assert.equal((result as { kind: string }).kind, "full");
    assert.match((await page.evaluate(() => messages)).join("\n"), /Make room/);
    const readable = `(async () => {
      const expected = tools.testBase(16 * 2 ** 20).bytes;
      expected.set(tools.pattern(2 ** 20, 2), 100);
      return expected;
    })()`;
    await page.evaluate(async (script) => {
      const expected = (await eval(script)) as Uint8Array;
      tools.requireSame(await tools.read(disk, 0, 4 * 2 ** 20), expected.slice(0, 4 * 2 ** 20), "flushed");
      tools.requireSame(
        await tools.read(disk, 13 * 2 ** 20, 2 ** 20),
        expected.slice(13 * 2 ** 20, 14 * 2 ** 20),
        "base",
      );
    }, readable);
    await page.close();
    const other = await tab(origin);
    await other.evaluate(async (script) => {
      const expected = (await eval(script)) as Uint8Array;
      const disk = await tools.openIdbDisk("full", { base: tools.testBase(16 * 2 ** 20) });
      tools.requireSame(await tools.read(disk, 0, 16 * 2 ** 20), expected, "as of the last flush");
      await disk.dispose();
    }, readable);
    crowded.dispose();
  });

  it("deleted while it runs: every access fails, also of the base, and the person is told", async () => {
    const page = await tab();
    const results = await page.evaluate(async () => {
      const disk = await tools.openIdbDisk("gone", {
        base: tools.testBase(2 ** 20),
        onMessage: (level, text) => messages.push(`${level}: ${text}`),
      });
      await tools.write(disk, 0, tools.pattern(512, 1));
      await new Promise((resolve) => (indexedDB.deleteDatabase("ringside-disk-gone").onsuccess = resolve));
      return [
        await tools.outcome(tools.read(disk, 2 ** 19, 512)),
        await tools.outcome(tools.write(disk, 0, tools.pattern(512, 2))),
        await tools.outcome(disk.flush()),
      ];
    });
    for (const result of results) {
      assert.deepEqual(result, { kind: "gone", message: 'The disk "gone" was deleted while it was in use.' });
    }
    assert.deepEqual(await page.evaluate(() => messages), [
      'error: The disk "gone" was deleted while it was in use.',
    ]);
  });
});
