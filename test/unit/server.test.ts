/** The server that `npm start` runs: headers, caching, images as they are, ports, options. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type Server, createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { linkTo, listen } from "../../server/listen.ts";
import { defaultPort, parseOptions } from "../../server/options.ts";
import { createPageServer } from "../../server/server.ts";

describe("the server", () => {
  let folder: string;
  let server: Server;
  let origin: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "ringside-server-"));
    mkdirSync(join(folder, "page/assets"), { recursive: true });
    mkdirSync(join(folder, "images/one"), { recursive: true });
    writeFileSync(join(folder, "page/index.html"), "<!doctype html><title>Page</title>");
    writeFileSync(join(folder, "page/assets/main-abc.js"), "1;".repeat(1000));
    writeFileSync(join(folder, "page/assets/machine-abc.js"), "1;");
    writeFileSync(join(folder, "page/assets/main-abc.js.gz"), gzipSync("1;".repeat(1000)));
    writeFileSync(join(folder, "page/assets/v86-abc.wasm"), "\0asm");
    writeFileSync(join(folder, "images/one/vmlinux.gz"), gzipSync("kernel"));
    writeFileSync(join(folder, "secret"), "secret");
    server = createPageServer({
      page: join(folder, "page"),
      images: join(folder, "images"),
      upgrades: [
        {
          path: "/relay",
          upgrade: (_request, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        },
      ],
    });
    const address = await listen(server, { host: "127.0.0.1", port: 0, alternatives: 0 });
    origin = `http://127.0.0.1:${address.port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it("lets the machine's worker connect to others, and nobody else", async () => {
    const sources = async (path: string) => {
      const { headers } = await fetch(origin + path);
      return /connect-src ([^;]*);/.exec(headers.get("content-security-policy") ?? "")?.[1];
    };
    assert.equal(await sources("/assets/machine-abc.js"), "'self' http: https: ws: wss:");
    for (const path of ["/", "/assets/main-abc.js", "/assets/v86-abc.wasm", "/x/assets/machine-abc.js"]) {
      assert.equal(await sources(path), "'self'", path);
    }
  });

  it("sends the security headers with everything, errors included", async () => {
    for (const path of [
      "/",
      "/assets/main-abc.js",
      "/images/one/vmlinux.gz",
      "/nowhere",
      "/images/nowhere",
    ]) {
      const { headers } = await fetch(origin + path);
      const policy = headers.get("content-security-policy") ?? "";
      assert.match(policy, /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/, path);
      assert.match(policy, /; style-src 'self';/);
      assert.doesNotMatch(policy, /'unsafe-eval'|https?:|\*/);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
      assert.equal(headers.get("cross-origin-embedder-policy"), "require-corp");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
    }
  });

  it("lets browsers keep hashed files for good, and ask for the others", async () => {
    const hashed = await fetch(`${origin}/assets/main-abc.js`);
    assert.equal(hashed.headers.get("cache-control"), "public, max-age=31536000, immutable");
    for (const path of ["/", "/images/one/vmlinux.gz"]) {
      const first = await fetch(origin + path);
      assert.equal(first.headers.get("cache-control"), "no-cache", path);
      const again = await fetch(origin + path, { headers: { "If-None-Match": first.headers.get("etag")! } });
      assert.equal(again.status, 304);
    }
  });

  it("says what each file is, and sends the compressed copy to who takes it", async () => {
    const script = await fetch(`${origin}/assets/main-abc.js`, { headers: { "Accept-Encoding": "gzip" } });
    assert.equal(script.headers.get("content-encoding"), "gzip");
    assert.match(script.headers.get("content-type")!, /^text\/javascript/);
    assert.equal((await script.text()).length, 2000);
    const plain = await fetch(`${origin}/assets/main-abc.js`, { headers: { "Accept-Encoding": "identity" } });
    assert.equal(plain.headers.get("content-encoding"), null);
    const wasm = await fetch(`${origin}/assets/v86-abc.wasm`);
    assert.equal(wasm.headers.get("content-type"), "application/wasm");
  });

  it("sends an image's gzip file as it is, for the loader to unpack", async () => {
    const response = await fetch(`${origin}/images/one/vmlinux.gz`);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), gzipSync("kernel"));
    assert.equal(response.headers.get("content-encoding"), "identity");
  });

  it("finds images that were made or changed after it started", async () => {
    mkdirSync(join(folder, "images/later"));
    writeFileSync(join(folder, "images/later/manifest.json"), "{}");
    assert.equal(await (await fetch(`${origin}/images/later/manifest.json`)).text(), "{}");
    writeFileSync(join(folder, "images/later/manifest.json"), '{ "format": 1 }');
    assert.equal(await (await fetch(`${origin}/images/later/manifest.json`)).text(), '{ "format": 1 }');
  });

  it("serves nothing but GET and HEAD, and nothing outside its folders", async () => {
    assert.equal((await fetch(origin, { method: "POST", body: "x" })).status, 405);
    assert.equal((await fetch(origin, { method: "HEAD" })).status, 200);
    for (const path of [
      "/../secret",
      "/images/../../secret",
      "/images/%2e%2e/secret",
      "/images/..%2fsecret",
      "/%",
    ]) {
      assert.equal(await rawStatus(origin, path), 404, path);
    }
  });

  it("outlives files that cannot be read and ranges that make no sense", async () => {
    // Its first byte is at no address of any process: reading fails, after the headers.
    symlinkSync("/proc/self/mem", join(folder, "images/one/unreadable"));
    await assert.rejects(fetch(`${origin}/images/one/unreadable`).then((response) => response.arrayBuffer()));
    const file = `${origin}/images/one/vmlinux.gz`;
    for (const range of ["bytes=5-2", "bytes=-5", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4"]) {
      assert.equal((await fetch(file, { headers: { Range: range } })).status, 200, range);
    }
    const part = await fetch(file, { headers: { Range: "bytes=1-2" } });
    assert.equal(part.status, 206);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), gzipSync("kernel").subarray(1, 3));
    assert.equal((await fetch(file, { headers: { Range: "bytes=1000-" } })).status, 416);
  });

  it("hands WebSocket connections to their handler, and refuses the others", async () => {
    assert.match(await upgrade(origin, "/relay"), /^HTTP\/1\.1 101 /);
    assert.match(await upgrade(origin, "/relay?name=a"), /^HTTP\/1\.1 101 /);
    // The last two are no path of any URL.
    for (const path of ["/elsewhere", "//", "http://"]) {
      assert.match(await upgrade(origin, path), /^HTTP\/1\.1 404 /, path);
    }
  });
});

describe("ports", () => {
  it("takes the next free one where it may, and says so plainly where it may not", async () => {
    const holder = createServer();
    holder.listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const other = createServer();
    try {
      await assert.rejects(listen(other, { host: "127.0.0.1", port, alternatives: 0 }), {
        message: `Port ${port} on 127.0.0.1 is taken by another program. Choose another with --port.`,
      });
      const address = await listen(other, { host: "127.0.0.1", port, alternatives: 20 });
      assert(address.port > port && address.port <= port + 20);
    } finally {
      other.close();
      holder.close();
    }
  });

  it("says what is wrong with an address that this computer does not have", async () => {
    await assert.rejects(listen(createServer(), { host: "192.0.2.1", port: 0, alternatives: 0 }), {
      message: /^This computer has no address "192\.0\.2\.1"\./,
    });
  });

  it("prints a link that a browser takes for secure", () => {
    assert.equal(linkTo({ address: "127.0.0.1", port: 8086, family: "IPv4" }), "http://localhost:8086/");
    assert.equal(linkTo({ address: "::", port: 1, family: "IPv6" }), "http://localhost:1/");
    assert.equal(linkTo({ address: "fd00::1", port: 1, family: "IPv6" }), "http://[fd00::1]:1/");
  });
});

describe("options", () => {
  it("has defaults, takes --port before PORT, and --host", () => {
    const { relay, ...page } = parseOptions([], {});
    assert.equal(relay.nats, undefined);
    assert.deepEqual(page, {
      host: "127.0.0.1",
      port: defaultPort,
      portChosen: false,
      help: false,
    });
    assert.equal(parseOptions([], { PORT: "81" }).port, 81);
    assert.equal(parseOptions(["--port", "82"], { PORT: "81" }).port, 82);
    assert.equal(parseOptions(["--host", "::1"], {}).host, "::1");
  });

  it("refuses what is no port, and words that it does not know", () => {
    for (const port of ["eighty", "-1", "65536", "80.5"]) {
      assert.throws(
        () => parseOptions([`--port=${port}`], {}),
        /is no port: expected a number from 0 to 65535/,
      );
    }
    assert.throws(() => parseOptions(["--prot", "80"], {}), /--prot/);
  });
});

/** The status for a path that `fetch` would tidy up first. */
function rawStatus(origin: string, path: string): Promise<number | undefined> {
  const { port } = new URL(origin);
  return new Promise((resolve, reject) => {
    request({ port, path, host: "127.0.0.1" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

async function upgrade(origin: string, path: string): Promise<string> {
  const socket = connect(Number(new URL(origin).port), "127.0.0.1");
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  const [data] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return data.toString("latin1");
}
