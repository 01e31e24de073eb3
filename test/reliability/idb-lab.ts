import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { buildPage } from "../../server/build.ts";
import { createPageServer } from "../../server/server.ts";
import { packImage } from "../../src/node/image/pack.ts";
import { KillableBrowser } from "../browser/disk-support.ts";
import { makeBase } from "./base.ts";
import type { Lab, Victim } from "./victim.ts";

const root = join(import.meta.dirname, "../..");

/** Milliseconds for a guest to boot in a browser on a busy machine. */
const PATIENCE = 300_000;

/** Machines in Chromium's page, with a disk in IndexedDB and one over a packed image that the page's server has. */
export async function openIdbLab(): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), "ringside-reliability-"));
  const images = join(folder, "images");
  cpSync(join(root, "public/images/debian-busybox"), join(images, "debian-busybox"), { recursive: true });
  mkdirSync(join(images, "base"));
  await packImage(await makeBase(folder), join(images, "base/disk"));

  const server = createPageServer({ page: await buildPage(root, "error"), images });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // The same address for all of them: it is the disks' origin.
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const link = "memory=96M&device=blk,id=plain,store=idb,size=64M&device=blk,id=over,store=idb,base=base";
  return {
    folder,
    start: () => BrowserVictim.start(join(folder, "profile"), `${origin}/#${link}`),
    dispose: () => {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
      return Promise.resolve();
    },
  };
}

class BrowserVictim implements Victim {
  readonly #browser: KillableBrowser;
  readonly #page: Page;

  static async start(profile: string, url: string): Promise<BrowserVictim> {
    const browser = await KillableBrowser.start(profile);
    try {
      const page = await browser.open(url);
      const state = await page.waitForFunction(
        () => {
          const { name } = window.ringside.state;
          return name === "running" || name === "failed" || name === "crashed"
            ? window.ringside.state
            : undefined;
        },
        undefined,
        { timeout: PATIENCE },
      );
      const reached = await state.jsonValue();
      if (reached?.name !== "running")
        throw new Error(`The machine did not start: ${JSON.stringify(reached)}`);
      return new BrowserVictim(browser, page);
    } catch (error) {
      await browser.kill();
      throw error;
    }
  }

  private constructor(browser: KillableBrowser, page: Page) {
    this.#browser = browser;
    this.#page = page;
  }

  async exec(command: string): Promise<{ status: number; stdout: string }> {
    const { status, stdout, stderr } = await this.#page.evaluate(
      (text) => window.ringside.exec(text),
      command,
    );
    return { status, stdout: status === 0 ? stdout : stdout + stderr };
  }

  kill(): Promise<void> {
    return this.#browser.kill();
  }
}
