import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Page } from "playwright-core";
import { packImage } from "../../src/node/image/pack.ts";
import { CHUNK, disk } from "../unit/image-support.ts";
import { bundle, tabsForTests } from "./disk-support.ts";

const BYTES = disk(600, [20, 21, 22]);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let folder: string;
let script: string;
let server: Website;
const tab = tabsForTests();

before(async () => {
  script = await bundle("image-page.ts", "imagePage");
  folder = await mkdtemp(join(tmpdir(), "ringside-image-"));
  await writeFile(join(folder, "disk.raw"), BYTES);
  await packImage(join(folder, "disk.raw"), join(folder, "image"), { chunkSize: CHUNK });
});
// An origin for each test: each begins with nothing in the browser.
beforeEach(async () => {
  server = await Website.start();
});
afterEach(async () => {
  await server.stop();
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** The page, its script, and below /image/ the files of the image. */
class Website {
  readonly requests: string[] = [];
  /** Answers to chunks before the right ones. */
  wrong = 0;
  /** Cache-Control of chunks. */
  caching = "no-store";
  files = join(folder, "image");
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  static async start(): Promise<Website> {
    const website = new Website();
    await website.listen();
    return website;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => {
      const name = request.url!.slice(1);
      if (name === "") response.setHeader("Content-Type", "text/html");
      if (name === "")
        response.end('<!doctype html><link rel="icon" href="data:,"><script src="/page.js"></script>');
      else if (name === "page.js") response.end(script);
      else
        void this.#file(name.slice("image/".length), request.headers["if-none-match"]).then((answer) => {
          response.writeHead(answer.status, answer.headers).end(answer.body);
        });
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = this.#server && once(this.#server, "close");
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#server = undefined;
  }

  async #file(name: string, known: string | undefined) {
    const body = await readFile(join(this.files, name)).catch(() => undefined);
    if (!body) return { status: 404, headers: {}, body: "" };
    if (name !== "index.json") {
      this.requests.push(name);
      const wrong = this.wrong > 0 && this.wrong-- > 0;
      return {
        status: 200,
        headers: { "Cache-Control": this.caching },
        body: wrong ? body.subarray(0, 50) : body,
      };
    }
    const etag = `"${sha256(body)}"`;
    this.requests.push(known === etag ? "index.json, not modified" : "index.json");
    const headers = { ETag: etag, "Cache-Control": "no-cache" };
    return known === etag ? { status: 304, headers, body: "" } : { status: 200, headers, body };
  }
}

/** A page that has the image open. */
async function visit(): Promise<Page> {
  const page = await tab(server.origin);
  await open(page);
  return page;
}

async function open(page: Page): Promise<void> {
  await page.evaluate(async () => {
    globalThis.image = await imageTools.openHttpImage(`${location.origin}/image/`, {
      label: "The image",
      timing: { backOff: 20, longestBackOff: 100, stall: 200, tick: 50 },
      onMessage: (level, text) => told.push(`${level}: ${text}`),
    });
  });
}

const readAll = (page: Page): Promise<string> => page.evaluate(() => imageTools.digestOf(image));

/** Closes the image, with what was to be kept. */
async function leave(page: Page): Promise<void> {
  await page.evaluate(() => image.dispose());
  await page.close();
}

describe("An image in the browser", () => {
  it("is fetched once: a second visit asks only whether the index is the same", async () => {
    const first = await visit();
    assert.equal(await readAll(first), sha256(BYTES));
    assert.equal(server.requests.length, 1 + 1 + 597);
    await leave(first);

    server.requests.length = 0;
    const second = await visit();
    assert.equal(await readAll(second), sha256(BYTES));
    assert.deepEqual(server.requests, ["index.json, not modified"]);
    const { cacheHits, requests } = await second.evaluate(() => image.counters);
    assert.deepEqual({ cacheHits, requests }, { cacheHits: 598, requests: 1 });
  });

  it("is there without its server, once it was", async () => {
    const first = await visit();
    await readAll(first);
    await leave(first);
    const page = await tab(server.origin);
    await server.stop();
    await open(page);
    assert.equal(await readAll(page), sha256(BYTES));
    const messages = await page.evaluate(() => told);
    assert.equal(messages.length, 1);
    assert.match(messages[0]!, /^info: The image is used as it was when it was last here/);
  });

  it("is the new one when there is a new one, and shares what both have", async () => {
    const first = await visit();
    await readAll(first);
    await leave(first);
    const newer = BYTES.slice();
    newer.fill(1, 0, CHUNK);
    const files = join(folder, "newer");
    await cp(server.files, files, { recursive: true });
    await writeFile(join(folder, "newer.raw"), newer);
    await packImage(join(folder, "newer.raw"), files, { chunkSize: CHUNK });
    server.files = files;
    server.requests.length = 0;
    assert.equal(await readAll(await visit()), sha256(newer));
    assert.equal(server.requests.length, 3, "index, table, one chunk");
  });

  it("does not believe its cache: what is damaged there is fetched, and kept anew", async () => {
    const first = await visit();
    await readAll(first);
    await leave(first);
    server.requests.length = 0;
    const page = await tab(server.origin);
    await page.evaluate(
      () =>
        new Promise<void>((resolve, reject) => {
          const request = indexedDB.open("ringside-image-cache");
          request.onsuccess = () => {
            const transaction = request.result.transaction("files", "readwrite");
            const store = transaction.objectStore("files");
            const keys = store.getAllKeys(IDBKeyRange.bound("part:0", "part:g"), 100);
            keys.onsuccess = () => {
              for (const [n, key] of keys.result.entries()) {
                store.put([new Uint8Array(100).fill(31), "text", null, new Uint8Array(0)][n % 4], key);
              }
            };
            transaction.oncomplete = () => {
              request.result.close();
              resolve();
            };
            transaction.onabort = () => reject(transaction.error!);
          };
        }),
    );
    await open(page);
    assert.equal(await readAll(page), sha256(BYTES));
    assert.equal(server.requests.filter((name) => name.startsWith("chunks/")).length, 100);
  });

  it("heals when the browser's own cache has kept something wrong", async () => {
    server.caching = "public, max-age=31536000, immutable";
    const page = await visit();
    server.wrong = 5;
    assert.equal(await readAll(page), sha256(BYTES));
    assert.ok((await page.evaluate(() => image.counters.retries)) >= 5);
  });

  it("tells the size of the cache, and clears it under machines that run", async () => {
    const page = await visit();
    await page.evaluate(() => imageTools.digestOf(image, 0, 4096 * 100));
    const before = await page.evaluate(async () => {
      for (;;) {
        const size = await imageTools.imageCacheSize();
        if (size > 4096 * 90) return size;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    const fetched = await page.evaluate(() => image.counters.bytesFetched);
    assert.ok(before <= fetched && before > 4096 * 90, `${before} of ${fetched} bytes`);
    const left = await page.evaluate(async () => {
      await imageTools.clearImageCache();
      return imageTools.imageCacheSize();
    });
    assert.equal(left, 0);
    assert.equal(await readAll(page), sha256(BYTES));
  });

  for (const way of ["by another tab", "by the browser"] as const) {
    it(`goes on when its cache is deleted ${way}`, async () => {
      const [page, other] = [await visit(), await tab(server.origin)];
      await page.evaluate(() => imageTools.digestOf(image, 0, 4096 * 50));
      if (way === "by another tab") {
        await other.evaluate(
          () =>
            new Promise<void>((resolve, reject) => {
              const request = indexedDB.deleteDatabase("ringside-image-cache");
              request.onsuccess = () => resolve();
              request.onerror = () => reject(request.error!);
            }),
        );
      } else {
        const cdp = await other.context().newCDPSession(other);
        await cdp.send("Storage.clearDataForOrigin", { origin: server.origin, storageTypes: "indexeddb" });
      }
      assert.equal(await readAll(page), sha256(BYTES));
      // On a busy machine a server's answer may take long, which is said; that the cache is gone is nothing to speak of.
      const others = (await page.evaluate(() => told)).filter((text) => !/waits for|goes on/.test(text));
      assert.deepEqual(others, []);
      await leave(page);
    });
  }

  it("keeps no more than its share of what is left, and goes on", async () => {
    const page = await tab(server.origin);
    await page.evaluate(() => {
      navigator.storage.estimate = async () => ({
        quota: 7_000_000,
        usage: 1_000_000 + (await imageTools.imageCacheSize()),
      });
    });
    await open(page);
    assert.equal(await readAll(page), sha256(BYTES));
    await page.evaluate(() => image.dispose());
    const kept = await page.evaluate(() => imageTools.imageCacheSize());
    assert.ok(kept > 0 && kept <= 1_500_000, `${kept} bytes`);
  });

  it("leaves its room to the disks when the browser has no storage left, and goes on", async () => {
    const page = await tab(server.origin);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize: 1_700_000 });
    await open(page);
    assert.equal(await readAll(page), sha256(BYTES));
    await page.evaluate(() => image.dispose());
    assert.equal(await page.evaluate(() => imageTools.imageCacheSize()), 0);
    // A busy machine's server may be slow to answer.
    const others = (await page.evaluate(() => told)).filter((text) => !/waits for|goes on/.test(text));
    assert.deepEqual(others, []);
  });

  for (const missing of ["indexedDB", "storage"] as const) {
    it(`does without ${missing}`, async () => {
      const page = await tab(server.origin);
      await page.evaluate((missing) => {
        const owner = missing === "storage" ? navigator : globalThis;
        Object.defineProperty(owner, missing, { value: undefined });
      }, missing);
      await open(page);
      assert.equal(await readAll(page), sha256(BYTES));
      await page.evaluate(() => image.dispose());
    });
  }

  it("does without a cache that never answers", async () => {
    const holder = await tab(server.origin);
    // A connection that ignores a deletion keeps every later open waiting.
    await holder.evaluate(
      () =>
        new Promise<void>((resolve) => {
          const request = indexedDB.open("ringside-image-cache");
          request.onsuccess = () => {
            indexedDB.deleteDatabase("ringside-image-cache").onblocked = () => resolve();
          };
        }),
    );
    assert.equal(await readAll(await visit()), sha256(BYTES));
  });

  it("goes on as soon as the browser is online again", async () => {
    const page = await visit();
    const cdp = await page.context().newCDPSession(page);
    const network = (offline: boolean) =>
      cdp.send("Network.emulateNetworkConditions", {
        offline,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: -1,
      });
    await network(true);
    const read = readAll(page);
    await page.waitForFunction(() => told.length > 0);
    assert.equal(await page.evaluate(() => image.status.state), "stalled");
    await network(false);
    assert.equal(await read, sha256(BYTES));
    await page.waitForFunction(() => image.status.state === "ok");
    const levels = (await page.evaluate(() => told)).map((text) => text.split(":")[0]);
    assert.deepEqual(levels, ["warning", "info"]);
  });

  it("is refused where the browser computes no checksums", async () => {
    const page = await tab(`http://insecure.test:${new URL(server.origin).port}/`);
    const message = await page.evaluate(() =>
      imageTools.openHttpImage(`${location.origin}/image/`).then(
        () => "opened",
        (error: unknown) => (error as Error).message,
      ),
    );
    assert.match(message, /cannot be verified: .* only over HTTPS or on localhost/);
  });
});
