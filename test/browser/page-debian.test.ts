/** A whole Debian from a link: fetched as it is touched, there when the server is not, and kept. */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { after, before, describe, it } from "node:test";
import type { BrowserContext } from "playwright-core";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

void describe("Debian from a link", { timeout: 5 * bootTimeout }, () => {
  let site: Site;
  let visitor: BrowserContext;
  let watched: WatchedPage;
  /** Paths of the disk's parts that were asked for. */
  let asked: string[] = [];
  let broken = false;

  before(async () => {
    await ensureImages(["debian"], streamProgress(process.stderr, "images: "));
    site = await Site.start({ optimizing: true });
    const [serve] = site.server.listeners("request") as [Handler];
    site.server.removeAllListeners("request");
    site.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const part = request.url?.startsWith("/images/debian/disk/") === true;
      if (part) asked.push(request.url!);
      if (part && broken) response.writeHead(503).end();
      else serve(request, response);
    });
    visitor = await site.visitor();
    watched = await site.openFor(visitor, "image=debian");
  });
  after(() => site.dispose());

  void it("comes to a login of an ordinary user, and fetches a part of the image only", async () => {
    await watched.reaches("running");
    await watched.shows(/user@ringside:~\$/);
    assert.match(await watched.exec("mount | grep ' / '"), /^\/dev\/vda on \/ type ext4 \(rw/);
    const { bytesFetched, whole } = await watched.page.evaluate(async () => {
      const list = (await (await fetch("images/index.json")).json()) as { name: string; diskBytes: number }[];
      const text = document.querySelector(".state-line")?.textContent ?? "";
      const [, amount, unit] = /([\d.]+) (KiB|MiB) fetched/.exec(text) ?? [];
      return {
        bytesFetched: Number(amount) * (unit === "MiB" ? 2 ** 20 : 2 ** 10),
        whole: list.find(({ name }) => name === "debian")!.diskBytes,
      };
    });
    assert.ok(bytesFetched > 0 && bytesFetched < whole / 6, `${bytesFetched} of ${whole} bytes`);
  });

  void it("waits for a server that does not serve, says so, and goes on", async () => {
    const { page } = watched;
    broken = true;
    const reading = watched.exec("find /usr/lib/python3* -type f -exec cat {} + | wc -c");
    const strip = page.getByRole("alert").filter({ hasText: "Waiting for the server" });
    await strip.waitFor();
    assert.match((await strip.textContent())!, /The image "debian" .*503/s);
    broken = false;
    assert.ok(Number(await reading) > 1e6);
    await strip.waitFor({ state: "detached" });
  });

  void it("is there at the next visit, with what was written, without a byte of the disk from the server", async () => {
    const { page } = watched;
    await watched.exec("echo kept >/home/user/note");
    // It reads what a boot may touch (images/debian/rootfs/usr/lib/ringside/keep).
    await watched.exec("while pgrep -f ringside/[k]eep; do sleep 1; done");
    // Without, e2fsck would play the journal, and look at what a boot does not touch.
    await page.evaluate(() => window.ringside.powerOff());
    await watched.close();
    asked = [];
    broken = true;
    watched = await site.openFor(visitor, "image=debian");
    await watched.reaches("running");
    assert.equal(await watched.exec("cat /home/user/note"), "kept");
    const parts = asked.filter((path) => !path.endsWith("/index.json"));
    assert.deepEqual(parts, []);
    await watched.close();
  });
});
