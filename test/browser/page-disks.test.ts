/** Disks in IndexedDB as a person meets them: a reload keeps them, a second tab is told, a deleted one is reported. */
import assert from "node:assert/strict";
import type { BrowserContext } from "playwright-core";
import { after, before, describe, it } from "node:test";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

const link = "memory=96M&device=blk,id=home,store=idb,size=16M";

/** Short also where the file is not what it should be. */
const lastLine = "tail -n 1 /root/numbers | head -c 100";

describe("disks that stay", { timeout: 6 * bootTimeout }, () => {
  let site: Site;
  let visitor: BrowserContext;
  let first: WatchedPage;

  before(async () => {
    site = await Site.start();
    visitor = await site.visitor();
    first = await site.openFor(visitor, link);
  });
  after(() => site.dispose());

  it("what was written and synced is there after a reload", async () => {
    await first.reaches("running");
    await first.shows("formatted just now");
    await first.exec("seq 1 100000 > /root/numbers; md5sum < /root/numbers > /root/sum; sync");
    await first.page.reload();
    await first.reaches("running");
    await first.exec('test "$(md5sum < /root/numbers)" = "$(cat /root/sum)"');
    assert.equal(await first.exec(lastLine), "100000");
  });

  it("a second tab is told that the disk is in use, and goes on without it", async () => {
    const second = await site.openFor(visitor, link);
    const card = second.page.getByRole("alert", { name: "The disk “home” is in use" });
    await card.waitFor();
    await card.getByRole("button", { name: "Start without this disk" }).click();
    await second.reaches("running");
    assert.equal(await second.exec("ls /sys/block | grep -c vd || true"), "0");
    // The link is still that of the whole machine.
    assert.equal(new URL(second.page.url()).hash, `#${link}`);
    assert.equal(await first.exec(lastLine), "100000");
    await second.close();
  });

  it("a second tab that tries again gets the disk once the first is closed", async () => {
    const second = await site.openFor(visitor, link);
    const card = second.page.getByRole("alert");
    await card.waitFor();
    await card.getByRole("button", { name: "Try again" }).click();
    await second.page.waitForFunction(() => window.ringside.state.name === "failed");
    await first.close();
    await card.getByRole("button", { name: "Try again" }).click();
    await second.reaches("running");
    assert.equal(await second.exec(lastLine), "100000");
    first = second;
  });

  it("a machine of another link gives the disk back before the next one opens it", async () => {
    const { page } = first;
    await page.evaluate((text) => (location.hash = text), `#${link.replace("96M", "80M")}`);
    await page.getByRole("button", { name: "Start it" }).click();
    await page.waitForFunction(() => window.ringside.config?.memory === 80 * 1024 ** 2);
    await first.reaches("running");
    assert.equal(await first.exec(lastLine), "100000");
  });

  it("a disk deleted under the machine: an I/O error for the guest, a message for the person", async () => {
    const { page } = first;
    await page.evaluate(async () => {
      for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name!);
    });
    const result = await page.evaluate(() =>
      window.ringside.exec("dd if=/dev/urandom of=/root/late bs=64k count=8 conv=fsync"),
    );
    assert.notEqual(result.status, 0);
    const message = page.locator(".notice", { hasText: "home" }).first();
    await message.waitFor();
    await message.getByRole("button", { name: "Dismiss" }).click();
    // The machine goes on.
    assert.equal(await first.exec("echo alive"), "alive");
    await first.close();
  });
});
