import type { Browser, Page } from "playwright-core";
import type { Timings } from "../../../src/page/timings.ts";

/** Milliseconds that a boot may take. */
const PATIENCE = 180_000;

export type BootTimings = { [Part in keyof Timings]-?: number };

/** Opens Ringside's page in a fresh profile (nothing cached, no disk kept) and waits for its shell's prompt. */
export function bootOurPage(browser: Browser, url: string): Promise<BootTimings> {
  return inFreshProfile(browser, url, async (page) => {
    await page.waitForFunction(
      () => window.ringside.timings.total !== undefined || window.ringside.state.name === "crashed",
      undefined,
      { timeout: PATIENCE, polling: 500 },
    );
    const timings = await page.evaluate(() => window.ringside.timings);
    const missing = Object.entries(timings).find(([, milliseconds]) => milliseconds === undefined);
    if (missing)
      throw new Error(`Ringside's page did not come to a prompt: it has no time for "${missing[0]}".`);
    return timings as BootTimings;
  });
}

/** Opens the peer's page; milliseconds from its navigation until its guest is in /init. */
export function bootPeerPage(browser: Browser, url: string): Promise<number> {
  return inFreshProfile(browser, url, async (page) => {
    const result = await page.waitForFunction(
      () => (window as { peerBoot?: number | string }).peerBoot,
      undefined,
      {
        timeout: PATIENCE,
        polling: 500,
      },
    );
    const value = await result.jsonValue();
    if (typeof value !== "number") throw new Error(`The peer's page: ${String(value)}`);
    return value;
  });
}

async function inFreshProfile<T>(
  browser: Browser,
  url: string,
  work: (page: Page) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(url);
    return await work(page);
  } finally {
    await context.close();
  }
}
