/** Disks of a running machine in the panel: over an image, open here and in another tab, attached and detached. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { BrowserContext } from "playwright-core";
import { packImage } from "../../src/node/image/pack.ts";
import { Site, type WatchedPage, bootTimeout, realImages } from "./support.ts";

const MiB = 2 ** 20;
const link = "memory=96M&device=blk,id=data,base=tiny";

describe("the disks of a machine", { timeout: 4 * bootTimeout }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ringside-panel-"));
  const base = Buffer.concat([randomBytes(MiB), Buffer.alloc(2 * MiB), randomBytes(MiB)]);
  let site: Site;
  let visitor: BrowserContext;
  let first: WatchedPage;

  before(async () => {
    const images = join(folder, "images");
    cpSync(join(realImages, "debian-busybox"), join(images, "debian-busybox"), { recursive: true });
    writeFileSync(join(folder, "tiny.img"), base);
    await packImage(join(folder, "tiny.img"), join(images, "tiny/disk"));
    writeFileSync(
      join(images, "index.json"),
      JSON.stringify([
        { name: "debian-busybox", title: "Busybox", description: "Small.", downloadBytes: 14 * MiB },
        { name: "debian", title: "Debian 12", description: "Whole.", downloadBytes: 30 * MiB },
      ]),
    );
    site = await Site.start({ images });
    visitor = await site.visitor();
    first = await site.openFor(visitor, link);
  });
  after(async () => {
    await site.dispose();
    rmSync(folder, { recursive: true });
  });

  it("shows what is fetched, and offers the server's guests", async () => {
    const { page } = first;
    await first.reaches("running");
    const sum = createHash("md5").update(base).digest("hex");
    assert.match(await first.exec("md5sum /dev/vda"), new RegExp(sum));
    await page
      .locator(".state-line")
      .getByText(/2(\.\d)? MiB fetched/)
      .waitFor();
    await page.getByRole("button", { name: "Guests" }).click();
    const debian = page.getByRole("link", { name: "Start Debian 12" });
    assert.match((await debian.getAttribute("href"))!, /#image=debian$/);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Configure" }).click();
    const option = page.locator("datalist option[value=debian]");
    assert.equal(await option.getAttribute("label"), "Debian 12, 30 MiB to download");
    await page.keyboard.press("Escape");
  });

  it("a busy disk with a base can be started as a temporary copy", async () => {
    await first.exec("dd if=/dev/zero of=/dev/vda bs=64k count=1 conv=fsync 2>&1");
    const second = await site.openFor(visitor, link);
    const card = second.page.getByRole("alert", { name: "The disk “data” is in use" });
    await card.getByText(/is open in another tab or window \(debian-busybox, 96 MiB, since/).waitFor();
    await card.getByRole("button", { name: "Start with a temporary copy" }).click();
    await second.reaches("running");
    const sum = createHash("md5").update(base).digest("hex");
    assert.match(await second.exec("md5sum /dev/vda"), new RegExp(sum), "without the other tab's changes");
    await second.exec("dd if=/dev/zero of=/dev/vda bs=64k count=2 conv=fsync 2>&1");
    await second.page.locator(".state-line").getByText("data temporary").waitFor();
    const panel = second.page.locator(".disks-panel:has(.disks-storage, .disks-head)");
    await second.page.getByRole("button", { name: "Disks" }).click();
    await panel.getByText(/open in another tab \(debian-busybox, 96 MiB/i).waitFor();
    await second.close();
  });

  it("one that is open here is refused to others, detached and attached; its export has base and changes", async () => {
    const { page } = first;
    const panel = page.locator(".disks-panel:has(.disks-storage, .disks-head)");
    await page.getByRole("button", { name: "Disks" }).click();
    const disk = panel.getByRole("listitem", { name: "data" });
    await disk.getByText(/open in this tab \(debian-busybox, 96 MiB/i).waitFor();
    assert.match(await disk.innerText(), /4 MiB, 64 KiB stored, over the image "tiny"/);
    await disk.getByRole("button", { name: "More for data" }).click();
    await disk.getByRole("button", { name: "Delete data" }).click();
    await disk.getByRole("alert").getByText("is open in this tab").waitFor();

    await disk.getByRole("button", { name: "Detach data" }).click();
    await disk.getByRole("button", { name: "Attach data" }).waitFor();
    assert.equal(await first.exec("ls /sys/block | grep -c vd || true"), "0");
    await disk.getByText(/open in this tab/i).waitFor({ state: "detached" });
    const expected = Buffer.from(base);
    expected.fill(0, 0, 65536);
    const sum = createHash("sha256").update(expected).digest("hex");
    assert.equal(await page.evaluate(digest, "data"), sum);

    await disk.getByRole("button", { name: "Reset to base data" }).click();
    await disk.getByRole("button", { name: "Reset it" }).click();
    await disk.getByText("0 B stored").waitFor();
    assert.equal(await page.evaluate(digest, "data"), createHash("sha256").update(base).digest("hex"));

    await disk.getByRole("button", { name: "Attach data" }).click();
    await disk.getByRole("button", { name: "Detach data" }).waitFor();
    assert.match(
      await first.exec("md5sum /dev/vd?"),
      new RegExp(createHash("md5").update(base).digest("hex")),
    );
    await panel.getByRole("button", { name: "Clear downloaded parts" }).click();
    await panel.getByRole("button", { name: "Clear downloaded parts" }).waitFor({ state: "detached" });
    await first.close();
  });
});

/** In the page: the SHA-256 of a disk's bytes, as an export gives them. */
async function digest(name: string): Promise<string> {
  const bytes = await new Response(await window.ringside.disks.export(name)).arrayBuffer();
  const sum = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
