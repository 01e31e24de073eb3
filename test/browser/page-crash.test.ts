/** The whole page and a real guest: what was `sync`ed survives the browser's sudden death. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { describe, it } from "node:test";
import { buildPage } from "../../server/build.ts";
import { createPageServer } from "../../server/server.ts";
import { KillableBrowser, temporaryProfile } from "./disk-support.ts";
import { bootTimeout, realImages } from "./support.ts";

const LINK = "#memory=96M&device=blk,id=home,store=idb,size=16M";
const ROUNDS = 2;

describe("a browser killed right after `sync`", { timeout: 4 * bootTimeout }, () => {
  it("keeps what was written, and the file system is whole", async () => {
    const server = createPageServer({ page: await buildPage(root(), "error"), images: realImages });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const origin = `http://localhost:${(server.address() as AddressInfo).port}/`;
    const profile = temporaryProfile();
    try {
      for (let round = 0; round <= ROUNDS; round++) {
        const browser = await KillableBrowser.start(profile.folder);
        try {
          const page = await browser.open(`${origin}${LINK}`);
          if (round > 0) {
            assert.match(await exec(page, `cd /root && md5sum -c sum-${round - 1}`), /^noise-\d: OK$/m);
            assert.doesNotMatch(await exec(page, "cat /run/home"), /formatted just now/);
          }
          const noise = `noise-${round}`;
          await exec(
            page,
            `cd /root && head -c 300000 /dev/urandom >${noise} && md5sum ${noise} >sum-${round} && sync`,
          );
        } finally {
          await browser.kill();
        }
      }
    } finally {
      profile.dispose();
      server.closeAllConnections();
      server.close();
    }
  });
});

/** Runs a command in the guest, waiting for its boot; it must succeed. */
async function exec(page: Page, command: string): Promise<string> {
  const { status, stdout, stderr } = await page.evaluate((text) => window.ringside.exec(text), command);
  assert.equal(status, 0, `${command}: ${stderr}`);
  return stdout;
}

function root(): string {
  return new URL("../..", import.meta.url).pathname;
}
