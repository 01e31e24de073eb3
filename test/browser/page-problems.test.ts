/** What goes wrong before a machine runs: each ends in a plain sentence and a way on, never in a blank page. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { transform } from "esbuild";
import { Site, bootTimeout } from "./support.ts";

const noDisk = "device=rng";

describe("links that are no machine", () => {
  let site: Site;
  before(async () => {
    site = await Site.start();
  });
  after(() => site.dispose());

  const links: [name: string, link: string, marked: string, sentence: RegExp][] = [
    [
      "an unknown word",
      "memroy=128M",
      "memroy",
      /memroy.* is not a word that a machine has.*Expected: .*memory/,
    ],
    ["an unknown device", "device=blok,id=a", "blok", /blok/],
    ["a disk twice", "device=blk,id=a&device=blk,id=a", "", /"a"/],
    ["an impossible size", "device=blk,id=a,size=100", "100", /size.*512/s],
    ["too much memory", "memory=64G", "64G", /64M to 2G/],
    ["a store that browsers lack", "device=blk,id=a,store=file,path=/x", "", /store=file.*store=idb/s],
    ["broken percent encoding", "append=%zz", "%", /percent sign/],
    ["markup", "image=<img src=x onerror=alert(1)>", "%3Cimg%20src=x%20onerror=alert(1)%3E", /small letters/],
  ];
  for (const [name, link, marked, sentence] of links) {
    it(`${name}: says what and where`, async () => {
      const watched = await site.open(link);
      const card = watched.page.getByRole("alert", { name: "This link is no machine" });
      await card.waitFor();
      assert.match(await card.innerText(), sentence);
      if (marked !== "") assert.equal(await card.locator("mark").innerText(), marked);
      assert.equal(await watched.page.evaluate(() => window.ringside.state.name), "no-machine");
      await watched.page.context().close();
      watched.isClean();
    });
  }

  it("offers what was probably meant, and the default machine", async () => {
    const watched = await site.open(`memroy=96M&${noDisk}`);
    const { page } = watched;
    await page.getByRole("link", { name: "Try “memory”" }).click();
    await watched.reaches("booting");
    assert.equal(await page.evaluate(() => window.ringside.config?.memory), 96 * 1024 ** 2);

    // Another bad link while a machine runs: it asks, and the machine goes on.
    await page.evaluate(() => (location.hash = "#image=-"));
    const dialog = page.getByRole("dialog", { name: "This link is no machine" });
    await dialog.getByRole("button", { name: "Keep the running machine" }).click();
    assert.equal(new URL(page.url()).hash, `#memory=96M&${noDisk}`);
    assert.equal(await page.evaluate(() => window.ringside.state.name), "booting");

    // A good one asks too.
    await page.evaluate(() => (location.hash = "#memory=80M&device=rng"));
    const question = page.getByRole("dialog", { name: "Start the machine of this link?" });
    await question.getByRole("button", { name: "Start it" }).click();
    await page.waitForFunction(() => window.ringside.config?.memory === 80 * 1024 ** 2);
    await watched.reaches("booting");
    await page.context().close();
    watched.isClean();
  });
});

describe("images that cannot be loaded", () => {
  let site: Site;
  let folder: string;
  /** Set by a test: answers instead of the server when it returns true. */
  let intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "ringside-images-"));
    site = await Site.start({ images: folder });
    const [serve] = site.server.listeners("request") as [
      (request: IncomingMessage, response: ServerResponse) => void,
    ];
    site.server.removeAllListeners("request");
    site.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      if (!intercept?.(request, response)) serve(request, response);
    });
  });
  after(async () => {
    await site.dispose();
    rmSync(folder, { recursive: true });
  });

  const cases: [name: string, change: (image: FakeImage) => void, sentence: RegExp][] = [
    [
      "no file",
      (image) => delete image.files["initrd.gz"],
      /Initial file system \(initrd\.gz\) is not on this server/,
    ],
    [
      "a wrong checksum",
      (image) => (image.manifest.files.kernel.sha256 = "0".repeat(64)),
      /Kernel \(vmlinux\.gz\) has a wrong checksum: SHA-256 [0-9a-f]{64}, expected 0{64}\./,
    ],
    [
      "a file cut short",
      (image) => (image.files["vmlinux.gz"] = image.files["vmlinux.gz"]!.subarray(0, 500)),
      /Kernel \(vmlinux\.gz\) arrived cut short: 500 of \d+ bytes/,
    ],
    [
      "a damaged file",
      (image) => image.files["vmlinux.gz"]!.fill(0xff, 100, 200),
      /Kernel \(vmlinux\.gz\) is damaged/,
    ],
    [
      "a file that unpacks to more than it says",
      (image) => (image.manifest.files.kernel.size -= 1),
      /Kernel \(vmlinux\.gz\) is damaged/,
    ],
    ["a manifest of another version", (image) => (image.manifest.format = 2), /"format" is missing or wrong/],
    [
      "a file outside the image's folder",
      (image) => (image.manifest.files.kernel.path = "../../secret"),
      /"files\.kernel\.path" is missing or wrong/,
    ],
    ["a kernel that is no ELF file", () => undefined, /ELF/],
  ];
  for (const [name, change, sentence] of cases) {
    it(`${name}: a sentence, and the choice to try again`, async () => {
      const image = fakeImage("fake");
      change(image);
      writeImage(folder, image);
      const watched = await site.open(`image=fake&${noDisk}`);
      const card = watched.page.getByRole("alert");
      await card.getByRole("button", { name: "Try again" }).waitFor();
      assert.match(await card.innerText(), sentence);
      await watched.page.context().close();
      watched.isClean();
    });
  }

  it("an image that is not there", async () => {
    const watched = await site.open(`image=nowhere&${noDisk}`);
    const card = watched.page.getByRole("alert", { name: "The download failed" });
    await card.waitFor();
    assert.match(await card.innerText(), /The guest image "nowhere" is not on this server/);
    await watched.page.context().close();
  });

  it("a manifest that is no JSON", async () => {
    mkdirSync(join(folder, "text"), { recursive: true });
    writeFileSync(join(folder, "text/manifest.json"), '{ "format": 1,');
    const watched = await site.open(`image=text&${noDisk}`);
    assert.match(await watched.page.getByRole("alert").innerText(), /manifest that is cut short or no JSON/);
    await watched.page.context().close();
  });

  it("a connection that breaks: the retry loads what is missing", async () => {
    const image = fakeImage("broken");
    writeImage(folder, image);
    let broken = 0;
    intercept = (request, response) => {
      if (!request.url?.endsWith("vmlinux.gz") || broken > 0) return false;
      broken++;
      response.writeHead(200, { "Content-Length": image.files["vmlinux.gz"]!.length });
      response.write(image.files["vmlinux.gz"]!.subarray(0, 300), () => response.destroy());
      return true;
    };
    const watched = await site.open(`image=broken&${noDisk}`);
    const card = watched.page.getByRole("alert");
    await card.getByRole("button", { name: "Try again" }).waitFor();
    assert.match(await card.innerText(), /Kernel \(vmlinux\.gz\) arrived cut short/);
    await card.getByRole("button", { name: "Try again" }).click();
    // The download is whole now; it is still no kernel.
    await watched.page.getByRole("alert", { name: "The machine did not start" }).waitFor();
    assert.equal(broken, 1);
    intercept = undefined;
    await watched.page.context().close();
  });

  it("a server that went away", async () => {
    writeImage(folder, fakeImage("gone"));
    intercept = (request, response) => {
      if (!request.url?.startsWith("/images/gone/")) return false;
      response.destroy();
      return true;
    };
    const watched = await site.open(`image=gone&${noDisk}`);
    assert.match(
      await watched.page.getByRole("alert").innerText(),
      /could not be downloaded: the server did not answer/,
    );
    intercept = undefined;
    await watched.page.context().close();
  });

  it("too little memory for the image", async () => {
    const image = fakeImage("large");
    image.manifest.memory.minimum = 512 * 1024 ** 2;
    writeImage(folder, image);
    const watched = await site.open(`image=large&memory=128M&${noDisk}`);
    assert.match(await watched.page.getByRole("alert").innerText(), /expected memory=512M or more/);
    await watched.page.context().close();
  });

  it("a worker that cannot be loaded", async () => {
    writeImage(folder, fakeImage("fake"));
    intercept = (request, response) => {
      if (!/\/assets\/machine-.*\.js/.test(request.url ?? "")) return false;
      response.writeHead(404).end();
      return true;
    };
    const watched = await site.open(`image=fake&${noDisk}`);
    await watched.page.waitForFunction(() => window.ringside.state.name === "crashed");
    assert.match(await watched.page.locator(".strip").innerText(), /The machine's code could not be loaded/);
    intercept = undefined;
    await watched.page.context().close();
  });
});

describe("a worker that dies", { timeout: bootTimeout }, () => {
  for (const [name, fatal] of [
    [
      "of an error",
      () =>
        setTimeout(() => {
          throw new Error("of a test");
        }),
    ],
    [
      "of a promise that nobody looks at",
      () => setTimeout(() => void Promise.reject(new Error("of a test"))),
    ],
  ] as const) {
    it(`${name}: the reason, and a new machine at the press of a button`, async () => {
      const site = await Site.start();
      try {
        const { page } = await site.open("memory=96M&device=blk,id=kept,store=idb,size=1M");
        await page.waitForFunction(() => window.ringside.state.name === "booting");
        await page.workers()[0]!.evaluate(fatal);
        await page.waitForFunction(() => window.ringside.state.name === "crashed");
        assert.match(await page.locator(".strip").innerText(), /The machine crashed: .*of a test/);
        await page.locator(".strip").getByRole("button", { name: "Power on" }).click();
        // The disk's lock died with the worker.
        await page.waitForFunction(() => window.ringside.state.name === "booting");
      } finally {
        await site.dispose();
      }
    });
  }
});

describe("a disk that cannot be opened", { timeout: bootTimeout }, () => {
  it("is named with the reason; the machine can go without it", async () => {
    const site = await Site.start();
    try {
      const visitor = await site.visitor();
      const first = await site.openFor(visitor, "memory=96M&device=blk,id=data,store=idb,size=2M");
      await first.page.waitForFunction(() => window.ringside.state.name === "booting");
      await first.page.close();
      const second = await site.openFor(visitor, "memory=96M&device=blk,id=data,store=idb,size=1M");
      const card = second.page.getByRole("alert", { name: "The disk “data” cannot be opened" });
      await card.waitFor();
      assert.match(await card.innerText(), /2 MiB/);
      await card.getByRole("button", { name: "Start without this disk" }).click();
      await second.page.waitForFunction(() => window.ringside.state.name === "booting");
      assert.match(await second.page.locator(".state-line").innerText(), /without data/);
      second.isClean();
    } finally {
      await site.dispose();
    }
  });
});

describe("browsers that lack something", { timeout: bootTimeout }, () => {
  let site: Site;
  before(async () => {
    site = await Site.start();
  });
  after(() => site.dispose());

  const lacks: [name: string, script: string, sentence: RegExp][] = [
    ["WebAssembly", "delete globalThis.WebAssembly", /WebAssembly/],
    ["Workers", "delete globalThis.Worker", /Web Worker/],
    ["IndexedDB", "Object.defineProperty(globalThis, 'indexedDB', { value: undefined })", /IndexedDB/],
    ["Web Locks", "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })", /Web Locks/],
    ["DecompressionStream", "delete globalThis.DecompressionStream", /DecompressionStream/],
  ];
  for (const [name, script, sentence] of lacks) {
    it(`${name}: a sentence instead of a blank page`, async () => {
      const visitor = await site.visitor();
      await visitor.addInitScript(script);
      const watched = await site.openFor(visitor);
      const said = watched.page.getByRole("alert");
      await said.waitFor();
      assert.match(await said.innerText(), sentence);
      assert.equal(watched.page.workers().length, 0);
      await visitor.close();
      watched.isClean();
    });
  }

  it("an insecure address: says which would do", async () => {
    const visitor = await site.visitor();
    const page = await visitor.newPage();
    await page.goto(`http://insecure.test:${site.port}/`);
    assert.match(await page.getByRole("alert").innerText(), /not secure.*https.*localhost/);
    await visitor.close();
  });

  it("JavaScript switched off", async () => {
    const visitor = await site.visitor({ javaScriptEnabled: false });
    const page = await visitor.newPage();
    await page.goto(site.origin);
    assert.match(await page.locator("body").innerText(), /takes JavaScript/);
    await visitor.close();
  });

  it("a bundle that this browser cannot parse", async () => {
    const visitor = await site.visitor();
    const page = await visitor.newPage();
    await page.route(/\/assets\/index-.*\.js/, (route) =>
      route.fulfill({ contentType: "text/javascript", body: "let = of a language to come;" }),
    );
    await page.goto(site.origin);
    assert.match(await page.getByRole("alert").innerText(), /cannot run the page's code/);
    await visitor.close();
  });

  it("a bundle that does not load", async () => {
    const visitor = await site.visitor();
    const page = await visitor.newPage();
    await page.route(/\/assets\/index-.*\.js/, (route) => route.abort());
    await page.goto(site.origin);
    assert.match(await page.getByRole("alert").innerText(), /could not be loaded/);
    await visitor.close();
  });

  it("the check itself is ES5", async () => {
    const page = await fetch(`${site.origin}/early.js`);
    // esbuild refuses what it cannot lower to ES5, and lowers what it can: nothing may change.
    const options = { minifyWhitespace: true } as const;
    const source = await page.text();
    const lowered = await transform(source, { ...options, target: "es5" });
    assert.equal(lowered.code, (await transform(source, options)).code);
  });
});

interface FakeImage {
  name: string;
  manifest: {
    format: number;
    memory: { minimum: number; recommended: number };
    files: Record<"kernel" | "initrd", { path: string; size: number; sha256: string }>;
  };
  files: Record<string, Buffer>;
}

/** An image that is right in everything, but whose kernel is noise. */
function fakeImage(name: string): FakeImage {
  const kernel = randomBytes(5000);
  const initrd = Buffer.from("no archive".repeat(50));
  const describe = (path: string, bytes: Buffer) => ({
    path,
    encoding: "gzip",
    size: bytes.length,
    storedSize: gzipSync(bytes).length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  });
  return {
    name,
    manifest: {
      format: 1,
      ...{ name, title: name, description: "For a test.", kernelParameters: "quiet", packages: [] },
      memory: { minimum: 64 * 1024 ** 2, recommended: 128 * 1024 ** 2 },
      files: { kernel: describe("vmlinux.gz", kernel), initrd: describe("initrd.gz", initrd) },
    },
    files: { "vmlinux.gz": gzipSync(kernel), "initrd.gz": gzipSync(initrd) },
  };
}

function writeImage(folder: string, { name, manifest, files }: FakeImage): void {
  rmSync(join(folder, name), { recursive: true, force: true });
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "manifest.json"), JSON.stringify(manifest));
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, name, path), bytes);
}
