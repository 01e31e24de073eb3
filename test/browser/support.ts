/** What the page's tests share: the built page behind the real server, Chromium, and a page that is watched. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
  chromium,
} from "playwright-core";
import { ensureChromium } from "../../scripts/chromium.ts";
import { buildPage } from "../../server/build.ts";
import { createPageServer } from "../../server/server.ts";
import type { RingsideApi } from "../../src/page/api.ts";

declare global {
  interface Window {
    ringside: RingsideApi;
  }
}

const root = join(import.meta.dirname, "../..");

/** Where tests leave pictures for people. */
export const output = join(root, "test/output");
export const realImages = join(root, "public/images");

/** Milliseconds for a guest to boot: some 10 seconds on an idle machine of 2026, and test machines are not idle. */
export const bootTimeout = 180_000;

const chromiumArguments = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A name that is not localhost, where browsers do not trust plain HTTP.
  "--host-resolver-rules=MAP insecure.test 127.0.0.1",
];

/** The page as `npm start` serves it, and a browser. Dispose of it after the tests. */
export class Site {
  readonly #server: Server;
  readonly #browser: Browser;

  /**
   * Guests run on V8's first WebAssembly compiler only, which takes half the processor time for as short a life as a test's.
   *
   * @param images the folder of guest images, where a test wants other than the real ones
   * @param optimizing with all of V8's compilers, as users have it
   */
  static async start({ images = realImages, args = [] as string[], optimizing = false } = {}): Promise<Site> {
    const page = await buildPage(root, "error");
    const server = createPageServer({ page, images });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const browser = await chromium.launch({
      executablePath: await ensureChromium(),
      args: [...chromiumArguments, ...(optimizing ? [] : ["--js-flags=--liftoff-only"]), ...args],
      timeout: 60_000,
    });
    return new Site(server, browser);
  }

  private constructor(server: Server, browser: Browser) {
    this.#server = server;
    this.#browser = browser;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  /** The tests' way to break what is served: called before the server's own handler. */
  get server(): Server {
    return this.#server;
  }

  /** A visitor with storage of their own. */
  visitor(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    return this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  }

  /** Opens the page with a machine's link (or none) in a new visitor's browser. */
  async open(link = "", options: BrowserContextOptions = {}): Promise<WatchedPage> {
    return this.openFor(await this.visitor(options), link);
  }

  async openFor(visitor: BrowserContext, link = ""): Promise<WatchedPage> {
    const watched = await WatchedPage.in(visitor, this.origin);
    await watched.page.goto(`${this.origin}/${link === "" ? "" : `#${link}`}`);
    return watched;
  }

  async dispose(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A page of which every request, error and violation of the policy is noted. */
export class WatchedPage {
  readonly page: Page;
  /** Uncaught errors and violations of the Content-Security-Policy, in the page and in its worker. */
  readonly problems: string[] = [];
  /** Requests to anybody else than the server. */
  readonly strangers: string[] = [];

  static async in(visitor: BrowserContext, origin: string): Promise<WatchedPage> {
    const watched = new WatchedPage(await visitor.newPage(), origin);
    // tsx wraps named functions in this helper, also those that tests send to the page.
    await watched.page.addInitScript("globalThis.__name = (value) => value");
    await watched.page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(
          `Content Security Policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`,
        );
      });
    });
    return watched;
  }

  private constructor(page: Page, origin: string) {
    this.page = page;
    page.setDefaultTimeout(60_000);
    page.on("request", (request) => {
      const url = new URL(request.url());
      // What the page makes itself (blob:, data:) asks nobody.
      if (url.protocol.startsWith("http") && url.origin !== origin) this.strangers.push(request.url());
    });
    page.on("pageerror", (error) => this.problems.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) this.problems.push(message.text());
    });
  }

  /** Waits until the state line's machine is in a state. Fails at once when it got into one that leads nowhere. */
  async reaches(name: string, timeout = bootTimeout): Promise<void> {
    const state = await this.page.waitForFunction(
      (wanted) => {
        const state = window.ringside.state;
        const final = state.name === "failed" || state.name === "crashed" || state.name === "no-machine";
        return state.name === wanted || final ? state : undefined;
      },
      name,
      { timeout },
    );
    const reached = await state.jsonValue();
    assert.equal(reached?.name, name, JSON.stringify(reached));
  }

  /** Runs a command in the guest; fails unless its status is 0. Returns what it printed. */
  async exec(command: string): Promise<string> {
    const { status, stdout, stderr } = await this.page.evaluate(
      (text) => window.ringside.exec(text),
      command,
    );
    assert.equal(status, 0, `${command}: status ${status}\n${stdout.slice(0, 2000)}${stderr.slice(0, 2000)}`);
    return stdout.trim();
  }

  screen(): Promise<string> {
    return this.page.evaluate(() => window.ringside.screen());
  }

  /** Waits until the terminal shows a text. */
  async shows(text: string | RegExp, timeout = bootTimeout): Promise<void> {
    const { source, flags } = typeof text === "string" ? new RegExp(escape(text)) : text;
    await this.page.waitForFunction(
      ([source, flags]) => new RegExp(source!, flags).test(window.ringside.screen()),
      [source, flags],
      { timeout },
    );
  }

  /** Ends the page, and asserts that it stayed within its policy and among its own. */
  async close(): Promise<void> {
    await this.page.close();
    this.isClean();
  }

  isClean(): void {
    assert.deepEqual(this.problems, []);
    assert.deepEqual(this.strangers, []);
  }
}

function escape(text: string): string {
  return text.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&");
}
