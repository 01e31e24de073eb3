import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Page } from "playwright-core";
import { DiskServer, diskTabsForTests } from "./disk-support.ts";

const MiB = 2 ** 20;

const site = diskTabsForTests();
const { tab } = site;

describe("IndexedDB disk", () => {
  it("behaves as an array of bytes, across closing and opening, with little memory", async () => {
    const page = await tab();
    await page.evaluate(async () => {
      const size = 60 * 4096 + 512;
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
          await tools.checkAgainstArray(list, () => tools.openIdbDisk(id, { size, bounds }));
          await tools.deleteIdbDisk(id);
        }),
        { numRuns: 30 },
      );
    });
  });

  it("reads and writes more than its cache in one request, and keeps its memory bounded", async () => {
    const page = await tab();
    const { most, after } = await page.evaluate(async () => {
      const MiB = 2 ** 20;
      const disk = await tools.openIdbDisk("large", { size: 160 * MiB });
      let most = 0;
      const bytes = tools.pattern(4 * MiB, 1);
      for (let at = 0; at < 160 * MiB; at += bytes.length) {
        bytes.fill(at / bytes.length, 0, 1000);
        await tools.write(disk, at, bytes);
        most = Math.max(most, disk.memory.total);
      }
      await disk.flush();
      const all = await tools.read(disk, 512, 100 * MiB);
      for (let at = 4 * MiB; at < 100 * MiB; at += 4 * MiB) {
        bytes.fill(at / bytes.length, 0, 1000);
        tools.requireSame(
          all.subarray(at - 512, at - 512 + 4 * MiB - 512),
          bytes.subarray(0, -512),
          `at ${at}`,
        );
      }
      await tools.read(disk, 0, 4096); // the next load brings the cache back into its bound
      await tools.read(disk, 150 * MiB, 4096);
      const after = disk.memory.total;
      await disk.dispose();
      return { most, after };
    });
    assert.ok(most <= 48 * MiB, `${most / MiB} MiB while writing`);
    assert.ok(after <= 49 * MiB, `${after / MiB} MiB after reading`);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("HeapProfiler.collectGarbage");
    const heap = (await cdp.send("Runtime.getHeapUsage")) as {
      usedSize: number;
      backingStorageSize?: number;
    };
    const held = heap.usedSize + (heap.backingStorageSize ?? 0);
    assert.ok(held < 32 * MiB, `${held / MiB} MiB are still held after closing`);
    await page.evaluate(() => tools.deleteIdbDisk("large"));
  });

  it("asks for strict durability, and answers a flush only after the transaction", async () => {
    const page = await tab();
    const log = await page.evaluate(async () => {
      // First: the catalog has transactions of its own.
      const disk = await tools.openIdbDisk("strict", { size: 2 ** 20 });
      const log: string[] = [];
      type Begin = (this: IDBDatabase, ...rest: Parameters<IDBDatabase["transaction"]>) => IDBTransaction;
      const begin = Reflect.get(IDBDatabase.prototype, "transaction") as Begin;
      IDBDatabase.prototype.transaction = function (...rest) {
        const transaction = begin.apply(this, rest);
        if (transaction.mode === "readwrite") {
          log.push(`begins, ${transaction.durability}`);
          transaction.addEventListener("complete", () => log.push("completes"));
        }
        return transaction;
      };
      for (let n = 0; n < 20; n++) await tools.write(disk, n * 40_000, tools.pattern(512, n));
      const flushed = disk.flush()?.then(() => log.push("flush answers"));
      log.push("flush is called");
      const second = disk.flush()?.then(() => log.push("second answers"));
      await Promise.all([flushed, second]);
      await disk.dispose();
      return log;
    });
    assert.deepEqual(log, [
      "begins, strict",
      "flush is called",
      "completes",
      "flush answers",
      "second answers",
    ]);
  });

  it("keeps its size, grows on request, while open too, and never shrinks", async () => {
    const page = await tab();
    const results = await page.evaluate(async () => {
      const first = await tools.openIdbDisk("size", { size: 2 ** 20 });
      await tools.write(first, 2 ** 20 - 512, tools.pattern(512, 1));
      let told = 0;
      first.onResize(() => told++);
      await first.resize(2 ** 20 + 512);
      await first.dispose();
      const asIs = await tools.openIdbDisk("size");
      const kept = asIs.capacity;
      await asIs.dispose();
      const grown = await tools.openIdbDisk("size", { size: 2 ** 21 });
      tools.requireSame(await tools.read(grown, 2 ** 20 - 512, 512), tools.pattern(512, 1), "old end");
      tools.requireSame(await tools.read(grown, 2 ** 20, 2 ** 20), new Uint8Array(2 ** 20), "new part");
      await grown.dispose();
      return {
        told,
        kept,
        shrink: await tools.outcome(tools.openIdbDisk("size", { size: 2 ** 20 })),
        odd: await tools.outcome(tools.openIdbDisk("size", { size: 1000 })),
        growReader: await tools.outcome(tools.openIdbDisk("size", { size: 2 ** 22, readOnly: true })),
        list: await tools.listDisks(),
        again: await tools.outcome(tools.deleteIdbDisk("size")),
      };
    });
    assert.equal(results.told, 1);
    assert.equal(results.kept, MiB + 512);
    assert.deepEqual(results.shrink, {
      kind: "invalid",
      message: 'The disk "size" has 2 MiB and cannot shrink to 1 MiB.',
    });
    assert.equal((results.odd as { kind: string }).kind, "invalid");
    assert.match(
      (results.growReader as { message: string }).message,
      /being read-only, cannot grow to 4 MiB/,
    );
    assert.equal(results.list.find(({ name }) => name === "size")?.size, 2 * MiB);
    assert.equal(results.again, "done", "a refused open holds no lock");
  });

  it("refuses what it cannot understand, and leaves it alone", async () => {
    const page = await tab();
    const results = await page.evaluate(async () => {
      const make = (id: string, store: string, record: unknown): Promise<void> =>
        new Promise((resolve, reject) => {
          const request = indexedDB.open(`ringside-disk-${id}`);
          request.onupgradeneeded = () => request.result.createObjectStore(store).put(record, "disk");
          request.onerror = () => reject(request.error!);
          request.onsuccess = () => {
            request.result.close();
            resolve();
          };
        });
      const good = { format: 1, size: 4096, chunkSize: 32768, created: "2026-01-01T00:00:00Z" };
      await make("newer", "chunks", { ...good, format: 3, shape: "round" });
      await make("foreign", "keyval", good);
      await make("damaged", "chunks", { ...good, chunkSize: 12 });
      return {
        newer: await tools.outcome(tools.openIdbDisk("newer", { size: 8192 })),
        foreign: await tools.outcome(tools.openIdbDisk("foreign", { size: 8192 })),
        damaged: await tools.outcome(tools.openIdbDisk("damaged", { size: 8192 })),
        nameless: await tools.outcome(tools.openIdbDisk("", { size: 8192 })),
        sizeless: await tools.outcome(tools.openIdbDisk("none")),
        reader: await tools.outcome(tools.openIdbDisk("none", { size: 8192, readOnly: true })),
        list: (await tools.listDisks()).map(({ name, problem }) => `${name}: ${problem}`),
      };
    });
    const expected: [string, unknown, RegExp][] = [
      ["newer", results.newer, /newer version of this page \(format 3, this one knows 2\)/],
      ["foreign", results.foreign, /made by something else/],
      ["damaged", results.damaged, /description cannot be understood/],
      ["nameless", results.nameless, /needs a name/],
      ["sizeless", results.sizeless, /There is no disk "none" in this browser and no size/],
      ["reader", results.reader, /There is no disk "none" in this browser to open read-only/],
    ];
    for (const [name, result, message] of expected) {
      assert.equal((result as { kind: string }).kind, "invalid", name);
      assert.match((result as { message: string }).message, message);
    }
    assert.ok(
      results.list.some((line) => /^newer: .*newer version/.test(line)),
      results.list.join("; "),
    );
    assert.ok(!results.list.some((line) => line.startsWith("none")), "asking for a disk does not make one");
  });

  it("fails reads of a chunk that is missing or is not what was saved", async () => {
    const page = await tab();
    const results = await page.evaluate(async () => {
      const disk = await tools.openIdbDisk("torn", { size: 2 ** 20 });
      await tools.write(disk, 0, tools.pattern(2 ** 20, 1));
      await disk.dispose();
      await new Promise<void>((resolve, reject) => {
        const request = indexedDB.open("ringside-disk-torn");
        request.onsuccess = () => {
          const transaction = request.result.transaction("chunks", "readwrite");
          transaction.objectStore("chunks").put("not bytes", 5);
          transaction.onabort = () => reject(transaction.error!);
          transaction.oncomplete = () => {
            request.result.close();
            resolve();
          };
        };
      });
      const again = await tools.openIdbDisk("torn");
      tools.requireSame(await tools.read(again, 0, 512), tools.pattern(512, 1), "a good chunk");
      const bad = await tools.outcome(tools.read(again, 5 * 32768, 512));
      await again.dispose();
      return bad;
    });
    assert.deepEqual(results, {
      kind: "io",
      message: 'The disk "torn" is damaged: chunk 5 is not what was saved.',
    });
  });

  it("lists and deletes disks, but none that is open", async () => {
    const [one, other] = [await tab(), await tab()];
    await one.evaluate(async () => {
      globalThis.disk = await tools.openIdbDisk("listed", { size: 4096 });
    });
    const entry = (await other.evaluate(() => tools.listDisks())).find(({ name }) => name === "listed");
    assert.equal(entry?.inUse, true);
    assert.equal(entry.size, 4096);
    assert.ok(Date.parse(entry.created) > 0);
    const refused = await other.evaluate(() => tools.outcome(tools.deleteIdbDisk("listed")));
    assert.deepEqual(refused, {
      kind: "busy",
      message: 'The disk "listed" is open in another tab or window.',
    });
    await one.evaluate(() => disk.dispose());
    await other.evaluate(() => tools.deleteIdbDisk("listed"));
    const left = await other.evaluate(() => tools.listDisks());
    assert.ok(!left.some(({ name }) => name === "listed"));
  });
});

describe("lock of an IndexedDB disk", () => {
  it("keeps a second tab out until the first closes the disk or itself", async () => {
    const [one, other] = [await tab(), await tab()];
    const open = (page: Page): Promise<unknown> =>
      page.evaluate(() =>
        tools.outcome(
          tools.openIdbDisk("locked", { size: 4096 }).then((opened) => {
            globalThis.disk = opened;
          }),
        ),
      );
    assert.equal(await open(one), "done");
    assert.deepEqual(await open(other), {
      kind: "busy",
      message: 'The disk "locked" is open in another tab or window.',
    });
    const reader = await other.evaluate(() => tools.outcome(tools.openIdbDisk("locked", { readOnly: true })));
    assert.equal((reader as { kind: string }).kind, "busy");
    await one.evaluate(() => disk.dispose());
    assert.equal(await open(other), "done");
    await other.close();
    assert.equal(await open(one), "done");
  });

  it("is shared by readers, who cannot write", async () => {
    const [one, other] = [await tab(), await tab()];
    await one.evaluate(async () => {
      const disk = await tools.openIdbDisk("shared", { size: 4096 });
      await tools.write(disk, 0, tools.pattern(4096, 8));
      await disk.dispose();
    });
    for (const page of [one, other]) {
      await page.evaluate(async () => {
        globalThis.disk = await tools.openIdbDisk("shared", { readOnly: true });
        tools.requireSame(await tools.read(disk, 0, 4096), tools.pattern(4096, 8), "content");
      });
    }
    const wrote = await one.evaluate(() => tools.outcome(tools.write(disk, 0, new Uint8Array(512))));
    assert.equal((wrote as { kind: string }).kind, "invalid");
    const writer = await other.evaluate(() => tools.outcome(tools.openIdbDisk("shared", { size: 4096 })));
    assert.equal((writer as { kind: string }).kind, "busy");
  });

  it("does not outlast a reload, with the disk in a worker and busy", async () => {
    const page = await tab();
    for (let round = 0; round < 5; round++) {
      const result = await page.evaluate(async () => {
        const script = `
          importScripts("${location.origin}/disk.js");
          (async () => {
            const disk = await tools.openIdbDisk("reloaded", { size: ${8 * 2 ** 20} });
            postMessage("done");
            tools.work(disk, 1, () => undefined);
          })().catch((error) => postMessage(error.message));`;
        const worker = new Worker(URL.createObjectURL(new Blob([script])));
        return new Promise((resolve) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => resolve(message);
        });
      });
      assert.equal(result, "done", `round ${round}`);
      await page.reload();
    }
  });
});

describe("IndexedDB that is full", () => {
  // An origin for each test: what others store would count, and Chromium remembers for a while how much was free.
  let crowded: DiskServer;
  beforeEach(async () => {
    crowded = await DiskServer.start();
  });
  afterEach(() => crowded.dispose());

  /** Gives the crowded origin `bytes` of storage; the function that it returns lifts that. */
  async function quotaOf(page: Page, quotaSize: number): Promise<() => Promise<unknown>> {
    const cdp = await page.context().newCDPSession(page);
    const { origin } = crowded;
    await cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize });
    return () => cdp.send("Storage.overrideQuotaForOrigin", { origin });
  }

  it("fails the flush, tells the person, keeps all data, and saves it when there is room", async () => {
    const page = await tab(crowded.origin);
    const lift = await quotaOf(page, 4 * MiB);
    await page.evaluate(async () => {
      globalThis.disk = await tools.openIdbDisk("full", {
        size: 128 * 2 ** 20,
        onMessage: (level, text) => messages.push(`${level}: ${text}`),
      });
      await tools.write(disk, 0, tools.pattern(2 ** 20, 1));
      await disk.flush();
    });
    const first = await page.evaluate(async () => {
      await tools.write(disk, 0, tools.pattern(8 * 2 ** 20, 2));
      const first = await tools.outcome(disk.flush());
      const second = await tools.outcome(disk.flush());
      tools.requireSame(
        await tools.read(disk, 0, 8 * 2 ** 20),
        tools.pattern(8 * 2 ** 20, 2),
        "kept in memory",
      );
      return [first, second];
    });
    for (const result of first) {
      assert.deepEqual(result, {
        kind: "full",
        message: 'The browser has no storage left for the disk "full".',
      });
    }
    // The guest goes on writing until too much is unsaved: then it gets an error, soon, and memory stays bounded.
    const pressed = await page.evaluate(async () => {
      const bytes = tools.pattern(2 ** 20, 3);
      for (let at = 8; at < 128; at++) {
        const result = await tools.outcome(tools.write(disk, at * 2 ** 20, bytes));
        if (result !== "done") return { result, unsaved: disk.memory.unsaved };
      }
      return undefined;
    });
    assert.equal((pressed?.result as { kind: string }).kind, "full");
    assert.ok((pressed?.unsaved ?? Infinity) <= 16 * MiB);
    const told = await page.evaluate(() => messages);
    assert.equal(told.length, 1, told.join("\n"));
    assert.match(
      told[0]!,
      /^error: The browser has no storage left .*What was saved before stays.*Make room/,
    );

    // What was flushed before is still there, for another tab too, and what was not can be saved with room.
    await lift();
    await page.evaluate(() => disk.flush());
    assert.equal((await page.evaluate(() => messages)).at(-1), 'info: The disk "full" is saved again.');
    await page.evaluate(() => disk.dispose());
    const other = await tab(crowded.origin);
    await other.evaluate(async () => {
      const disk = await tools.openIdbDisk("full");
      tools.requireSame(await tools.read(disk, 0, 8 * 2 ** 20), tools.pattern(8 * 2 ** 20, 2), "saved");
      await disk.dispose();
      await tools.deleteIdbDisk("full");
    });
  });

  it("still has what was flushed before when the tab is closed", async () => {
    const page = await tab(crowded.origin);
    await quotaOf(page, 4 * MiB);
    await page.evaluate(async () => {
      globalThis.disk = await tools.openIdbDisk("full2", { size: 2 ** 24 });
      await tools.write(disk, 0, tools.pattern(2 ** 20, 1));
      await disk.flush();
    });
    const result = await page.evaluate(async () => {
      await tools.write(disk, 0, tools.pattern(8 * 2 ** 20, 2));
      return tools.outcome(disk.flush());
    });
    assert.equal((result as { kind: string }).kind, "full");
    await page.close();
    const other = await tab(crowded.origin);
    await other.evaluate(async () => {
      const disk = await tools.openIdbDisk("full2");
      tools.requireSame(await tools.read(disk, 0, 2 ** 20), tools.pattern(2 ** 20, 1), "flushed");
      tools.requireSame(await tools.read(disk, 2 ** 20, 2 ** 20), new Uint8Array(2 ** 20), "the rest");
      await disk.dispose();
    });
  });
});

describe("IndexedDB that does not serve", () => {
  for (const way of ["by another tab", "by the browser"] as const) {
    it(`deleted ${way} under a running machine: every access fails, the person is told`, async () => {
      const [page, other] = [await tab(), await tab()];
      const id = `deleted ${way}`;
      await page.evaluate(async (id) => {
        globalThis.disk = await tools.openIdbDisk(id, {
          size: 2 ** 24,
          onMessage: (level, text) => messages.push(`${level}: ${text}`),
        });
        await tools.write(disk, 0, tools.pattern(2 ** 20, 1));
        await disk.flush();
        await tools.write(disk, 0, tools.pattern(2 ** 20, 2));
      }, id);
      if (way === "by another tab") {
        await other.evaluate(
          (id) =>
            new Promise<void>((resolve, reject) => {
              const request = indexedDB.deleteDatabase(`ringside-disk-${id}`);
              request.onsuccess = () => resolve();
              request.onerror = () => reject(request.error!);
            }),
          id,
        );
      } else {
        const cdp = await other.context().newCDPSession(other);
        await cdp.send("Storage.clearDataForOrigin", {
          origin: site.server.origin,
          storageTypes: "indexeddb",
        });
      }
      await page.waitForFunction(() => messages.length > 0);
      const results = await page.evaluate(async () => [
        await tools.outcome(tools.read(disk, 0, 512)),
        await tools.outcome(tools.read(disk, 2 ** 23, 512)),
        await tools.outcome(tools.write(disk, 0, new Uint8Array(512))),
        await tools.outcome(disk.flush()),
        await tools.outcome(disk.resize(2 ** 25)),
      ]);
      for (const result of results) assert.equal((result as { kind: string }).kind, "gone");
      const told = await page.evaluate(() => messages);
      assert.equal(told.length, 1, told.join("\n"));
      assert.match(told[0]!, /^error: .*was deleted while it was in use|^error: The browser closed the disk/);
      // Nothing is held any more: the disk can be made anew, here or elsewhere.
      const anew = await other.evaluate(async (id) => {
        const disk = await tools.openIdbDisk(id, { size: 4096 });
        const bytes = await tools.read(disk, 0, 4096);
        await disk.dispose();
        return bytes.every((byte) => byte === 0);
      }, id);
      assert.ok(anew);
      assert.equal(await page.evaluate(() => tools.outcome(disk.dispose())), "done");
    });
  }

  it("that never answers: a plain error in time, and the lock is free again", async () => {
    const [holder, page] = [await tab(), await tab()];
    // A connection that ignores a deletion keeps every later open waiting.
    await holder.evaluate(
      () =>
        new Promise<void>((resolve) => {
          const request = indexedDB.open("ringside-disk-stuck");
          request.onsuccess = () => {
            indexedDB.deleteDatabase("ringside-disk-stuck").onblocked = () => resolve();
          };
        }),
    );
    const stuck = await page.evaluate(() =>
      tools.outcome(tools.openIdbDisk("stuck", { size: 4096, timeout: 500 })),
    );
    assert.deepEqual(stuck, {
      kind: "blocked",
      message:
        'The browser did not open the disk "stuck" within 0.5 seconds. ' +
        "Another tab may be holding it: close the other tabs of this site, or restart the browser.",
    });
    await holder.close();
    const later = await page.evaluate(() => tools.outcome(tools.openIdbDisk("stuck", { size: 4096 })));
    assert.equal(later, "done");
  });

  it("that the page may not use: a plain error", async () => {
    const sandboxed = await tab(`${site.server.origin}/sandboxed`);
    const insecure = await tab(`http://insecure.test:${site.server.port}/`);
    const without = await tab();
    await without.evaluate(() => Object.defineProperty(globalThis, "indexedDB", { value: undefined }));
    const results = [];
    for (const page of [sandboxed, insecure, without]) {
      results.push(await page.evaluate(() => tools.outcome(tools.openIdbDisk("x", { size: 4096 }))));
    }
    const texts = [
      /cannot be locked: .*denied/,
      /only over HTTPS or on localhost/,
      /this browser has no IndexedDB/,
    ];
    for (const [index, result] of results.entries()) {
      assert.equal((result as { kind: string }).kind, "blocked");
      assert.match((result as { message: string }).message, texts[index]!);
    }
  });
});
