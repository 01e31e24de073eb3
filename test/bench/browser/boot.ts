import type { Browser, Page } from "playwright-core";
import type { Timings } from "../../../src/page/timings.ts";

/** Milliseconds that a boot may take. */
const PATIENCE = 180_000;

export type BootTimings = { [Part in keyof Timings]-?: number };

/** A guest at its prompt in a page; `exec` runs a shell command as root and resolves with its standard output. */
export interface PageGuest<T> {
  page: Page;
  booted: T;
  exec(command: string): Promise<string>;
}

/** What it took to come to the shell's prompt. */
export function bootOurPage(browser: Browser, url: string): Promise<BootTimings> {
  return withOurPage(browser, url, ({ booted }) => Promise.resolve(booted));
}

/** Milliseconds from the navigation until the peer's guest is where its page waits for it. */
export function bootPeerPage(browser: Browser, url: string): Promise<number> {
  return withPeerPage(browser, url, ({ booted }) => Promise.resolve(booted));
}

/** Opens Ringside's page in a fresh profile (nothing cached, no disk kept) and waits for its shell's prompt. */
export function withOurPage<T>(
  browser: Browser,
  url: string,
  work: (guest: PageGuest<BootTimings>) => Promise<T>,
): Promise<T> {
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
    const exec = async (command: string): Promise<string> => {
      const { status, stdout, stderr } = await page.evaluate((text) => window.ringside.exec(text), command);
      if (status !== 0) throw new Error(`"${command}" ended with status ${status}: ${stderr}`);
      return stdout;
    };
    return work({ page, booted: timings as BootTimings, exec });
  });
}

interface PeerWindow {
  /** Milliseconds, or what went wrong. */
  peerBoot?: number | string;
  peerText: string;
  peerType(text: string): void;
}

/** Opens the peer's page in a fresh profile and waits until its guest is where the page waits for it. */
export function withPeerPage<T>(
  browser: Browser,
  url: string,
  work: (guest: PageGuest<number>) => Promise<T>,
): Promise<T> {
  return inFreshProfile(browser, url, async (page) => {
    const result = await page.waitForFunction(() => (window as unknown as PeerWindow).peerBoot, undefined, {
      timeout: PATIENCE,
      polling: 500,
    });
    const value = await result.jsonValue();
    if (typeof value !== "number") throw new Error(`The peer's page: ${String(value)}`);
    return work({ page, booted: value, exec: (command) => execOnSerial(page, command) });
  });
}

/** Types a command at the login shell on the serial port, and waits for the mark behind its output. */
async function execOnSerial(page: Page, command: string): Promise<string> {
  const quoted = command.replaceAll("'", "'\\''");
  // The echo of what is typed has no "@@end" followed by a digit.
  const line = `stty -echo; echo @@begin; sudo sh -c '${quoted}'; echo @@end $?`;
  await page.evaluate((text) => {
    const peer = window as unknown as PeerWindow;
    peer.peerText = "";
    peer.peerType(`${text}\n`);
  }, line);
  const found = await page.waitForFunction(
    () => /@@begin\r?\n([^]*)@@end (\d+)/.exec((window as unknown as PeerWindow).peerText),
    undefined,
    { timeout: PATIENCE, polling: 500 },
  );
  const [, output = "", status] = (await found.jsonValue()) ?? [];
  if (status !== "0")
    throw new Error(`"${command}" on the peer ended with status ${status ?? "?"}: ${output}`);
  return output.replaceAll("\r\n", "\n");
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
