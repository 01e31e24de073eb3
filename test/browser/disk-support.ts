/** A Chromium that can be killed, and a server for the page of the disk tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before } from "node:test";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { build } from "vite";

const CHROMIUM = process.env["RINGSIDE_CHROMIUM"] ?? "/usr/bin/chromium";
const ARGUMENTS = [
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
  "--remote-debugging-port=0",
];

/** Milliseconds for the browser to start: it takes under one second on an idle machine. */
const START_TIMEOUT = 60_000;

/** Serves `/` (the page), `/disk.js` (its script, also for workers) and `/sandboxed` (the page without an origin). */
export class DiskServer {
  readonly #server: Server;

  static async start(): Promise<DiskServer> {
    const script = await (bundled ??= bundle("disk-page.ts", "diskPage"));
    const server = createServer((request, response) => {
      if (request.url === "/disk.js") {
        response.setHeader("Content-Type", "text/javascript");
        response.end(script);
        return;
      }
      response.setHeader("Content-Type", "text/html");
      if (request.url === "/sandboxed") {
        response.setHeader("Content-Security-Policy", "sandbox allow-scripts");
      }
      response.end('<!doctype html><link rel="icon" href="data:,"><script src="/disk.js"></script>');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new DiskServer(server);
  }

  private constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  dispose(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Chromium with a profile of its own in a process group of its own. */
export class KillableBrowser {
  readonly #process: ChildProcess;
  readonly #browser: Browser;
  readonly context: BrowserContext;

  /** Starts it on the profile in `folder`. */
  static async start(folder: string): Promise<KillableBrowser> {
    const child = spawn(CHROMIUM, [...ARGUMENTS, `--user-data-dir=${folder}`, "about:blank"], {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      const browser = await chromium.connectOverCDP(await debuggingAddress(child));
      return new KillableBrowser(child, browser);
    } catch (error) {
      killGroup(child);
      throw error;
    }
  }

  private constructor(process: ChildProcess, browser: Browser) {
    this.#process = process;
    this.#browser = browser;
    // The context of the profile: one of our own would keep its storage in memory.
    this.context = browser.contexts()[0]!;
  }

  async open(url: string): Promise<Page> {
    const page = await this.context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(url);
    return page;
  }

  /** Kills every process of the browser at once, as a crash of the machine would. */
  async kill(): Promise<void> {
    const ended = this.#process.exitCode ?? this.#process.signalCode;
    const exit = ended === null ? once(this.#process, "exit") : undefined;
    killGroup(this.#process);
    await exit;
    await this.#browser.close().catch(() => undefined); // our end of the connection
  }
}

/** An empty folder for a browser's profile. Call `dispose` when the browser has ended. */
export function temporaryProfile(): { folder: string; dispose: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "ringside-profile-"));
  return { folder, dispose: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

/**
 * Tabs for the tests of one file, in a browser of their own that is there from before the first test until after the last; what
 * a test opened is closed after it. To be called where a file registers its hooks.
 */
export function tabsForTests(): (url: string) => Promise<Page> {
  const profile = temporaryProfile();
  let browser: KillableBrowser | undefined;
  const pages: Page[] = [];
  before(async () => {
    browser = await KillableBrowser.start(profile.folder);
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
  });
  after(async () => {
    await browser?.kill();
    profile.dispose();
  });
  return async (url) => {
    const page = await browser!.open(url);
    pages.push(page);
    return page;
  };
}

/** The same, and the server of the disk tests, where a tab goes unless told otherwise. */
export function diskTabsForTests(): { readonly server: DiskServer; tab: (url?: string) => Promise<Page> } {
  let server: DiskServer | undefined;
  before(async () => {
    server = await DiskServer.start();
  });
  after(() => server?.dispose());
  const open = tabsForTests();
  return {
    get server() {
      return server!;
    },
    tab: (url = server!.origin) => open(url),
  };
}

let bundled: Promise<string> | undefined;

/** A script for a page, in one piece. @param entry a file of this folder @param name of the global that it makes */
export async function bundle(entry: string, name: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, entry), formats: ["iife"], name },
    },
  });
  const output = Array.isArray(result) ? result[0] : result;
  if (!output || !("output" in output)) throw new Error("Vite made no bundle.");
  return output.output[0].code;
}

async function debuggingAddress(child: ChildProcess): Promise<string> {
  const timer = setTimeout(() => killGroup(child), START_TIMEOUT);
  const said: string[] = [];
  try {
    for await (const line of createInterface({ input: child.stderr! })) {
      const address = /^DevTools listening on (\S+)/.exec(line)?.[1];
      if (address) return address;
      said.push(line);
    }
  } finally {
    clearTimeout(timer);
    child.stderr?.resume();
  }
  throw new Error(`Chromium did not start:\n${said.join("\n")}`);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
