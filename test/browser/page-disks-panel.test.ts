/** The disks panel without a machine: every action by name, by keyboard, by drop; what fails leaves nothing behind. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import type { BrowserContext, Locator, Page } from "playwright-core";
import { makeQcow2 } from "../unit/qcow2-image.ts";
import { Site, type WatchedPage } from "./support.ts";

/** The page is whole without a machine, and much faster. */
const noMachine = "memory=64G";
const KiB = 1024;

const content = Buffer.alloc(300 * KiB);
for (let at = 0; at < content.length; at += 512)
  if ((at >> 15) % 3 !== 1) content.writeUInt32LE((at * 2654435761) >>> 0, at);

describe("the disks panel", { timeout: 300_000 }, () => {
  let site: Site;
  let visitor: BrowserContext;
  let watched: WatchedPage;
  let page: Page;
  let panel: Locator;

  before(async () => {
    // Chromium otherwise says that there is always as much left as at the beginning, whatever the quota is.
    site = await Site.start({ args: ["--disable-features=StaticStorageQuota"] });
    visitor = await site.visitor({ viewport: { width: 360, height: 640 }, acceptDownloads: true });
    // A disk from before the catalog, an import that was cut off, and what an export left.
    watched = await site.openFor(visitor, noMachine);
    page = watched.page;
    page.setDefaultTimeout(15_000);
    await page.evaluate(leftovers);
    await page.reload();
    panel = page.locator(".disks-panel:has(.disks-storage, .disks-head)");
  });
  after(() => site.dispose());

  const entry = (name: string) => panel.getByRole("listitem", { name, exact: true });
  const names = () => panel.locator(".disk[data-deleted=false] .disk-name").allInnerTexts();
  const said = (text: RegExp) =>
    page.locator("p.unseen[role=status]", { hasText: text }).waitFor({ state: "attached" });
  const more = async (name: string, does: string) => {
    const button = entry(name).getByRole("button", { name: `More for ${name}`, exact: true });
    if ((await button.getAttribute("aria-expanded")) === "false") await button.click();
    await entry(name)
      .getByRole("button", { name: `${does} ${name}`, exact: true })
      .click();
  };
  const choose = (name: string, buffer: Buffer) =>
    panel.locator("input[type=file]").setInputFiles({ name, mimeType: "application/octet-stream", buffer });
  const bytesOf = async (name: string): Promise<Buffer> => {
    const text = await page.evaluate(async (disk) => {
      const stream = await window.ringside.disks.export(disk);
      const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
      let binary = "";
      for (const byte of bytes) binary += String.fromCharCode(byte);
      return btoa(binary);
    }, name);
    return Buffer.from(text, "base64");
  };

  it("opens from the keyboard, has adopted the old disk and swept what was left", async () => {
    await page.getByRole("button", { name: "Disks" }).focus();
    await page.keyboard.press("Enter");
    await entry("old").waitFor();
    assert.deepEqual(await names(), ["old"]);
    assert.match(await entry("old").innerText(), /1 MiB, 32 KiB stored/);
    await page.waitForFunction(async () => {
      const databases = await indexedDB.databases();
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle("ringside-exports");
      const { done } = await folder.keys().next();
      return done === true && !databases.some(({ name }) => name?.includes("half"));
    });
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "hidden" });
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Disks");
    await page.keyboard.press("Enter");
  });

  it("makes, renames, deletes and brings back a disk, all by keyboard", async () => {
    await panel.getByRole("button", { name: "New disk" }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.type("my disk");
    const problem = panel.getByRole("form", { name: "New disk" }).getByRole("status");
    assert.match(await problem.innerText(), /letters, digits, dots/);
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("old");
    await page.keyboard.press("Enter");
    await problem.getByText('There is a disk "old" already.').waitFor();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("home");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("12");
    assert.match(await problem.innerText(), /512/);
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("64M");
    await page.keyboard.press("Enter");
    await entry("home").waitFor();
    assert.match(await entry("home").innerText(), /64 MiB, 0 B stored/);

    await entry("home").getByRole("button", { name: "More for home" }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.type("old");
    await page.keyboard.press("Enter");
    await entry("home").getByRole("alert").getByText("already").waitFor();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("work");
    await page.keyboard.press("Enter");
    await entry("work").waitFor();
    await said(/home is now called work/);

    await entry("work").getByRole("button", { name: "Delete work" }).focus();
    await page.keyboard.press("Enter");
    const undo = entry("work").getByRole("button", { name: "Undo: bring work back" });
    await undo.waitFor();
    assert.equal(await undo.evaluate((button) => button === document.activeElement), true, "focus");
    assert.match(await entry("work").innerText(), /can be brought back until \d/);
    await page.keyboard.press("Enter");
    await undo.waitFor({ state: "detached" });
    assert.deepEqual(await names(), ["old", "work"]);
  });

  it("a deleted disk whose name is taken meanwhile comes back under another; removed for good, nothing is left", async () => {
    await more("work", "Delete");
    await entry("work").getByRole("button", { name: "Undo" }).waitFor();
    await page.evaluate(() => window.ringside.disks.import(new Blob(["x".repeat(512)]), "work"));
    await panel.locator(".disk[data-deleted=true]").getByRole("button", { name: "Undo" }).click();
    await entry("work-2").waitFor();
    for (const name of ["work", "work-2"]) {
      await more(name, "Delete");
      await entry(name)
        .getByRole("button", { name: `Remove ${name} now` })
        .click();
      await entry(name).waitFor({ state: "detached" });
    }
    const left = await page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
    assert.deepEqual(
      left.filter((name) => name?.startsWith("ringside-disk-")),
      ["ringside-disk-old"],
    );
  });

  it("imports raw, gzip and qcow2, by the picker and by a drop; the bytes are right", async () => {
    await choose("raw disk.img", content);
    await entry("raw-disk").waitFor();
    await choose("packed.img.gz", gzipSync(content));
    await entry("packed").waitFor();
    await dropFile(page, "cow.qcow2", makeQcow2(content, { compressed: (number) => number % 2 === 0 }));
    await entry("cow").waitFor();
    // The same name again.
    await choose("cow.img", content);
    await entry("cow-2").waitFor();
    for (const name of ["raw-disk", "packed", "cow"]) assert((await bytesOf(name)).equals(content), name);
    // 10 chunks, of which a third is zeros.
    assert.match(await entry("packed").innerText(), /300 KiB, 224 KiB stored/);
  });

  it("an import that fails says why and leaves nothing; one that is cancelled, too", async () => {
    const before = await names();
    const damaged = gzipSync(content);
    await choose("broken.gz", damaged.subarray(0, damaged.length - 50));
    const alert = panel.getByRole("alert").filter({ hasText: "broken.gz" });
    assert.match(await alert.innerText(), /damaged or cut short/);
    await panel.getByRole("button", { name: "Dismiss" }).click();
    await choose(
      "backed.qcow2",
      (() => {
        const image = makeQcow2(content);
        image.writeBigUInt64BE(4096n, 8);
        return image;
      })(),
    );
    await panel.getByRole("alert").getByText("backing file").waitFor();
    await panel.getByRole("button", { name: "Dismiss" }).click();

    // Zeros without end, as far as the test is concerned.
    await dropFile(page, "huge.img.gz", gzipSync(Buffer.alloc(256 * 1024 * KiB), { level: 1 }), 200);
    await panel.getByRole("progressbar", { name: "Importing huge.img.gz" }).waitFor();
    await panel.locator(".disk-job").getByRole("button", { name: "Cancel" }).click();
    await panel
      .getByRole("alert")
      .getByText(/cancelled|damaged/)
      .waitFor();
    await panel.getByRole("button", { name: "Dismiss" }).click();
    assert.deepEqual(await names(), before);
    await page.waitForFunction(
      async () => !(await indexedDB.databases()).some(({ name }) => /broken|backed|huge/.test(name!)),
    );
  });

  it("exports: a download where there is no picker, the chosen file where there is one, nothing after a failure", async () => {
    await page.evaluate(() => Reflect.deleteProperty(window, "showSaveFilePicker"));
    for (const [does, file] of [
      ["Export raw", "packed.img"],
      ["Export gzip", "packed.img.gz"],
    ] as const) {
      const downloading = page.waitForEvent("download");
      await more("packed", does);
      const download = await downloading;
      assert.equal(download.suggestedFilename(), file);
      const bytes = readFileSync(await download.path());
      assert((does === "Export gzip" ? gunzipSync(bytes) : bytes).equals(content), does);
    }
    // A picker that gives a file of the origin's own file system: those of the computer cannot be chosen without a person.
    await page.evaluate(() => {
      const show = async ({ suggestedName }: { suggestedName: string }) =>
        (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true });
      Object.assign(window, { showSaveFilePicker: show });
    });
    await more("cow", "Export raw");
    await said(/cow was exported/);
    const length = await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      return (await (await root.getFileHandle("cow.img")).getFile()).size;
    });
    assert.equal(length, content.length);
    // A disk of which a chunk is damaged: the export fails, and its file goes.
    await page.evaluate(damage, "ringside-disk-packed");
    await more("packed", "Export gzip");
    await entry("packed").getByRole("alert").getByText("is damaged").waitFor();
    const files = await page.evaluate(async () => {
      const all: string[] = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) all.push(name);
      return all;
    });
    assert.deepEqual(
      files.filter((name) => name.startsWith("packed")),
      [],
    );
  });

  it("duplicates and empties; the copy stays", async () => {
    await more("cow", "Duplicate");
    await entry("cow-3").waitFor();
    await more("cow", "Empty");
    const form = panel.getByRole("form", { name: "Reset cow" });
    assert.equal(
      await form.getByRole("button", { name: "Empty it" }).evaluate((b) => b === document.activeElement),
      true,
    );
    await form.getByRole("button", { name: "Empty it" }).click();
    await entry("cow").getByText("300 KiB, 0 B stored").waitFor();
    assert((await bytesOf("cow-3")).equals(content));
    assert((await bytesOf("cow")).equals(Buffer.alloc(content.length)));
  });

  it("what another tab has open is named, and refused with a sentence", async () => {
    const other = await visitor.newPage();
    await other.goto(`${site.origin}/#${noMachine}`);
    await other.evaluate(() => {
      const holder = { tab: "other", title: "debian, 256 MiB", since: Date.now() };
      for (const name of ["ringside-disk-cow", `ringside-disk-cow\n${JSON.stringify(holder)}`])
        void navigator.locks.request(name, () => new Promise(() => undefined));
    });
    await entry("cow")
      .getByText(/open in another tab \(debian, 256 MiB, since/i)
      .waitFor();
    await more("cow", "Delete");
    await entry("cow")
      .getByRole("alert")
      .getByText(/is open in another tab or window \(debian, 256 MiB/)
      .waitFor();
    await more("cow", "Duplicate");
    await entry("cow")
      .getByRole("alert")
      .getByText(/Duplicating cow: The disk "cow" is open/)
      .waitFor();
    await other.close();
    await entry("cow")
      .getByText(/open in another tab \(/i)
      .waitFor({ state: "detached" });
    await more("cow", "Delete");
    await entry("cow").getByRole("button", { name: "Undo" }).waitFor();
  });

  it("shows what is stored, warns once near the limit, and refuses what will not fit", async () => {
    const cdp = await visitor.newCDPSession(page);
    const { usage } = await page.evaluate(() => navigator.storage.estimate());
    const quota = (share: number) =>
      cdp.send("Storage.overrideQuotaForOrigin", {
        origin: site.origin,
        quotaSize: Math.ceil(usage! / share),
      });
    await quota(0.8);
    const notice = page.locator(".notice", { hasText: "that the browser gives this site" });
    await notice.waitFor();
    assert.equal(await notice.count(), 1);
    await quota(0.95);
    await page.locator(".notice[data-level=error]", { hasText: "Delete disks" }).waitFor();
    assert.match(
      await panel.getByRole("region", { name: "Storage" }).innerText(),
      /This site stores .* are left/,
    );
    const incompressible = randomBytes(8 * 1024 * KiB);
    await choose("large.gz", gzipSync(incompressible, { level: 0 }));
    await panel
      .getByRole("alert")
      .filter({ hasText: "large.gz" })
      .getByText(/needs at least 9 MiB/)
      .waitFor();
    // What was not foreseen fails during the import. Chromium does not look at the quota for some seconds after it did last.
    const full = panel.getByRole("alert").filter({ hasText: "large.img: The browser has no storage left" });
    for (let attempt = 0; attempt < 10; attempt++) {
      await choose("large.img", incompressible);
      await full.or(entry("large")).waitFor();
      if (await full.isVisible()) break;
      await more("large", "Delete");
      await entry("large").getByRole("button", { name: "Remove large now" }).click();
      await entry("large").waitFor({ state: "detached" });
      await page.waitForTimeout(4000);
    }
    assert.equal(await full.count(), 1);
    await cdp.send("Storage.overrideQuotaForOrigin", { origin: site.origin });
    await page.waitForFunction(
      async () => !(await indexedDB.databases()).some(({ name }) => name?.includes("large")),
    );
    assert(!(await names()).includes("large"));
  });

  it("nothing is cut off at 360 pixels; and the page kept to its policy", async () => {
    const wide = await page.evaluate(() =>
      [...document.querySelectorAll(".disks-panel button, .disks-panel, .disks-panel input, .disks-panel p")]
        .map((element) => ({ name: element.textContent, box: element.getBoundingClientRect() }))
        .filter(({ box }) => box.width > 0 && (box.left < -0.5 || box.right > innerWidth + 0.5))
        .map(({ name }) => name),
    );
    assert.deepEqual(wide, []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    await watched.close();
  });
});

/** Drops a file on the page, as a browser does; `times` makes it that many copies long. */
async function dropFile(page: Page, name: string, bytes: Buffer, times = 1): Promise<void> {
  const data = await page.evaluateHandle(
    ({ name, base64, times }) => {
      const part = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File(Array<Uint8Array<ArrayBuffer>>(times).fill(part), name));
      return transfer;
    },
    { name, base64: bytes.toString("base64"), times },
  );
  await page.dispatchEvent("body", "dragenter", { dataTransfer: data });
  await page.locator(".drop-zone").waitFor();
  await page.dispatchEvent("body", "drop", { dataTransfer: data });
  await page.locator(".drop-zone").waitFor({ state: "detached" });
}

/** In the page: a disk as pages before the catalog made it, an unfinished import, and a file of an export. */
async function leftovers(): Promise<void> {
  const make = (name: string, store: string, values: [IDBValidKey, unknown][]) =>
    new Promise<void>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        const target = request.result.createObjectStore(store);
        for (const [key, value] of values) target.put(value, key);
      };
      request.onsuccess = () => {
        request.result.close();
        resolve();
      };
      request.onerror = () => reject(request.error!);
    });
  const record = { format: 1, size: 1024 * 1024, chunkSize: 32768, created: "2026-01-01T00:00:00.000Z" };
  await make("ringside-disk-old", "chunks", [
    ["disk", record],
    [3, new Uint8Array(32768).fill(1)],
  ]);
  const half = "ringside-disk-half~00000000";
  await make(half, "chunks", [["disk", record]]);
  await make("ringside-catalog", "disks", [
    [half, { database: half, name: "half", created: record.created, doomed: true }],
  ]);
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle("ringside-exports", { create: true });
  await folder.getFileHandle("left", { create: true });
}

/** In the page: puts something that is no chunk into a disk. */
function damage(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => {
      const transaction = request.result.transaction("chunks", "readwrite");
      transaction.objectStore("chunks").put("no bytes", 0);
      transaction.oncomplete = () => {
        request.result.close();
        resolve();
      };
      transaction.onabort = () => reject(transaction.error!);
    };
  });
}
