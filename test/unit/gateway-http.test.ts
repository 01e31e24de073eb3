import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { RequestBody } from "../../src/backends/net/gateway/http/body.ts";
import { HttpError } from "../../src/backends/net/gateway/http/error.ts";
import { Upload } from "../../src/backends/net/gateway/http/upload.ts";
import { parseAddress } from "../../src/net/address.ts";
import { TestGuest, TestPeer } from "./gateway-guest.ts";

const OUTSIDE = parseAddress("198.18.0.1")!;
const DATA = randomBytes(3 << 20);

describe("the gateway's way out over HTTP", () => {
  const server = createServer((request, response) => void respond(request, response));
  let origin = "";
  const seen: { url: string; headers: IncomingMessage["headers"] }[] = [];
  let aborted = 0;

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    seen.push({ url: request.url!, headers: request.headers });
    if (request.url === "/big") {
      response.setHeader("content-length", DATA.length);
      return void response.end(DATA);
    }
    if (request.url === "/gzip") {
      response.setHeader("content-encoding", "gzip");
      return void response.end(gzipSync("packed and unpacked"));
    }
    if (request.url === "/echo") {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const body = Buffer.concat(parts);
      return void response.end(
        `${request.method} ${body.length} ${createHash("sha256").update(body).digest("hex")}`,
      );
    }
    if (request.url === "/never") return void response.on("close", () => aborted++);
    if (request.url === "/cut") {
      response.setHeader("content-length", "1000");
      response.write("only this");
      return void setTimeout(() => request.socket.destroy(), 5);
    }
    if (request.url === "/move") {
      response.setHeader("location", "/small");
      response.statusCode = 302;
      return void response.end();
    }
    response.setHeader("x-who", "server");
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.end(`small for ${request.headers.host}`);
  }

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** A guest whose names all lead to the server. */
  const guest = () =>
    new TestGuest({
      http: true,
      fetch: ((url: string, init) =>
        fetch(url.replace(/\/\/web\.example/, `//${origin}`), init)) as typeof fetch,
    });

  async function exchange(request: string | Uint8Array, port = 80, to = OUTSIDE): Promise<string> {
    const peer = new TestPeer(guest(), port, { to });
    peer.connect();
    peer.send(request);
    await peer.until(() => peer.ended || peer.state === "reset");
    assert.equal(peer.state, "open");
    return peer.text;
  }

  it("fetches what Host and path say, and says what came back", async () => {
    const text = await exchange(
      "GET /small?x HTTP/1.1\r\nHost: web.example\r\nX-Mine: 1\r\nConnection: close\r\n\r\n",
    );
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(text, /\r\nx-who: server\r\n/);
    assert.match(text, /\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n/);
    assert.match(text, /small for 127/);
    assert.equal(seen.at(-1)!.url, "/small?x");
    assert.equal(seen.at(-1)!.headers["x-mine"], "1");
  });

  it("passes megabytes on whole, in large packets", async () => {
    const peer = new TestPeer(guest(), 80, { to: OUTSIDE });
    peer.connect();
    peer.send("GET /big HTTP/1.0\r\nHost: web.example\r\n\r\n");
    await peer.until(() => peer.ended);
    const text = Buffer.concat(peer.received);
    const body = text.subarray(text.indexOf("\r\n\r\n") + 4);
    assert.ok(body.equals(DATA));
    assert.ok(peer.largest > 60_000, `the largest packet has ${peer.largest} bytes`);
  });

  it("keeps a connection for the next request, with bodies in chunks where nobody knows their length", async () => {
    const peer = new TestPeer(guest(), 80, { to: OUTSIDE });
    peer.connect();
    peer.send(
      "GET /gzip HTTP/1.1\r\nHost: web.example\r\n\r\nGET /small HTTP/1.1\r\nHost: web.example\r\n\r\n",
    );
    await peer.until(() => peer.text.includes("small for"));
    assert.match(peer.text, /transfer-encoding: chunked/);
    assert.doesNotMatch(peer.text, /content-encoding/);
    assert.match(peer.text, /\r\n13\r\npacked and unpacked\r\n0\r\n\r\nHTTP\/1\.1 200 OK/);
    assert.equal(peer.ended, false);
  });

  it("does not say of HEAD what only a body would have", async () => {
    const text = await exchange("HEAD /big HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n\r\n");
    assert.match(text, /content-length: 3145728/);
    assert.ok(text.endsWith("\r\n\r\n"));
  });

  it("sends bodies: with a length, in chunks, and long ones as a stream", async () => {
    const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
    const head = "POST /echo HTTP/1.1\r\nHost: web.example\r\nConnection: close\r\n";
    const short = await exchange(`${head}Content-Length: 5\r\n\r\nhello`);
    assert.match(short, new RegExp(`POST 5 ${hash(Buffer.from("hello"))}`));
    const chunked = await exchange(
      `${head}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n`,
    );
    assert.match(chunked, new RegExp(`POST 5 ${hash(Buffer.from("hello"))}`));
    const long = await exchange(
      Buffer.concat([
        Buffer.from(`${head}Expect: 100-continue\r\nContent-Length: ${DATA.length}\r\n\r\n`),
        DATA,
      ]),
    );
    assert.match(long, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
    assert.match(long, new RegExp(`POST ${DATA.length} ${hash(DATA)}`));
  });

  it("is a proxy, for https, too, but not for CONNECT", async () => {
    const gateway = parseAddress("10.77.0.1")!;
    const text = await exchange("GET http://web.example/small HTTP/1.0\r\n\r\n", 3128, gateway);
    assert.match(text, /small for/);
    const urls: string[] = [];
    const secure = new TestGuest({
      http: true,
      fetch: ((url: string) => {
        urls.push(url);
        return Promise.resolve(new Response("safe"));
      }) as typeof fetch,
    });
    const peer = new TestPeer(secure, 3128);
    peer.connect();
    peer.send("GET https://web.example/x HTTP/1.0\r\n\r\n");
    await peer.until(() => peer.ended);
    assert.deepEqual(urls, ["https://web.example/x"]);
    const refused = await exchange(
      "CONNECT web.example:443 HTTP/1.1\r\nHost: web.example:443\r\n\r\n",
      3128,
      gateway,
    );
    assert.match(refused, /^HTTP\/1\.1 501 /);
    assert.match(refused, /TLS/);
  });

  it("asks over https where the page came so, and for what needs no question before", async () => {
    const calls: { url: string; init: RequestInit }[] = [];
    const page = new TestGuest({
      http: true,
      pageIsSecure: true,
      fetch: ((url: string, init: RequestInit) => {
        calls.push({ url, init });
        return Promise.resolve(new Response("text", { headers: { "content-length": "99", "x-own": "1" } }));
      }) as typeof fetch,
    });
    const peer = new TestPeer(page, 80, { to: OUTSIDE });
    peer.connect();
    peer.send(
      "GET / HTTP/1.1\r\nHost: web.example\r\nUser-Agent: Wget\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    );
    await peer.until(() => peer.ended);
    assert.equal(calls[0]!.url, "https://web.example/");
    assert.deepEqual(calls[0]!.init.headers, [["accept", "*/*"]]);
    assert.equal(calls[0]!.init.credentials, "omit");
    // In a page the length may be that of the packed body: it is not passed on.
    assert.doesNotMatch(peer.text, /content-length/);
    assert.match(peer.text, /x-own: 1/);
  });

  it("says why it cannot", async () => {
    const away = new TestGuest({
      http: true,
      pageIsSecure: false,
      fetch: () => Promise.reject(new TypeError("Failed to fetch")),
    });
    const peer = new TestPeer(away, 80, { to: OUTSIDE });
    peer.connect();
    peer.send("GET / HTTP/1.1\r\nHost: web.example\r\n\r\n");
    await peer.until(() => peer.text.includes("CORS"));
    assert.match(peer.text, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
    assert.match(await exchange("GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.match(await exchange("GET /\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.match(await exchange(`GET /${"x".repeat(9000)} HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 431 /);
    assert.match(await exchange("TRACE / HTTP/1.1\r\nHost: web.example\r\n\r\n"), /^HTTP\/1\.1 405 /);
    const both =
      "POST / HTTP/1.1\r\nHost: web.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert.match(await exchange(both), /^HTTP\/1\.1 400 /);
    assert.match(await exchange("GET http://u:p@web.example/ HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.match(await exchange("GET http://other.ringside/ HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 502 /);
  });

  it("sends from a page whole what a browser would not send as a stream", async () => {
    const bodies: unknown[] = [];
    const page = new TestGuest({
      http: true,
      pageIsSecure: false,
      fetch: ((_: string, { body }: RequestInit) => {
        bodies.push(body);
        return Promise.resolve(new Response("taken"));
      }) as typeof fetch,
    });
    const peer = new TestPeer(page, 80, { to: OUTSIDE });
    peer.connect();
    peer.send(
      Buffer.concat([Buffer.from("POST / HTTP/1.0\r\nHost: a.b\r\nContent-Length: 3145728\r\n\r\n"), DATA]),
    );
    await peer.until(() => peer.ended);
    assert.ok(bodies[0] instanceof Blob);
    assert.ok(Buffer.from(await bodies[0].arrayBuffer()).equals(DATA));
  });

  it("collects no more bodies than its bound, and gives the room back", async () => {
    const budget = { left: 100 };
    const body = (parts: number[]): RequestBody => ({
      length: undefined,
      done: false,
      next: () => {
        const part = parts.shift();
        if (part === -1) return Promise.reject(new HttpError(400, "cut short"));
        return Promise.resolve(part === undefined ? undefined : new Uint8Array(part));
      },
    });
    const first = new Upload(body([60, 30]), budget);
    assert.ok((await first.content(1000)) instanceof Blob);
    assert.equal(budget.left, 10);
    const second = new Upload(body([20, 20, 20]), budget);
    const stream = await second.content(1000);
    assert.ok(stream instanceof ReadableStream);
    assert.equal((await new Response(stream).arrayBuffer()).byteLength, 60);
    first.release();
    second.release();
    second.release();
    const third = new Upload(body([20, -1]), budget);
    await assert.rejects(third.content(1000), /cut short/);
    third.release();
    assert.equal(budget.left, 100);
  });

  it("follows where the server sends it", async () => {
    assert.match(await exchange("GET /move HTTP/1.0\r\nHost: web.example\r\n\r\n"), /small for/);
  });

  it("breaks off what the server broke off", async () => {
    const peer = new TestPeer(guest(), 80, { to: OUTSIDE });
    peer.connect();
    peer.send("GET /cut HTTP/1.1\r\nHost: web.example\r\n\r\n");
    await peer.until(() => peer.state === "reset" || peer.ended);
    assert.equal(peer.state, "reset");
  });

  it("ends a fetch when its guest has gone, or begins anew", async () => {
    const one = guest();
    const peer = new TestPeer(one, 80, { to: OUTSIDE });
    peer.connect();
    peer.send("GET /never HTTP/1.1\r\nHost: web.example\r\n\r\n");
    const before = aborted;
    await peer.until(() => seen.at(-1)!.url === "/never");
    peer.reset();
    await peer.until(() => aborted === before + 1);
    const other = guest();
    const second = new TestPeer(other, 80, { to: OUTSIDE });
    const count = seen.length;
    second.connect();
    second.send("GET /never HTTP/1.1\r\nHost: web.example\r\n\r\n");
    await second.until(() => seen.length > count);
    other.gateway.reset();
    assert.equal(other.gateway.connections, 0);
    await second.until(() => aborted === before + 2);
    assert.equal(other.clock.pending, 0);
  });

  it("has a page of its own, also without a way out", async () => {
    const closed = new TestGuest();
    closed.names = [
      { name: "<b>", address: "10.77.1.2" },
      { name: "Blue Lab", address: "<script>" },
    ];
    const peer = new TestPeer(closed, 80);
    peer.connect();
    peer.send("GET / HTTP/1.1\r\nHost: gateway.ringside\r\nConnection: close\r\n\r\n");
    await peer.until(() => peer.ended);
    assert.match(peer.text, /You are 10\.77\.9\.9/);
    assert.match(peer.text, /no way out/);
    assert.match(peer.text, /blue-lab\.ringside: &#60;script&#62;/);
    const v6 = new TestPeer(new TestGuest(), 80, { to: parseAddress("fd00:77::1")! });
    v6.connect();
    v6.send("GET / HTTP/1.0\r\nHost: gateway.ringside\r\n\r\n");
    await v6.until(() => v6.ended);
    assert.match(v6.text, /You are fd00:77::99/);
  });
});
