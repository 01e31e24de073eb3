import assert from "node:assert/strict";
import { rename, writeFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { DiskError } from "../../src/backends/disk/errors.ts";
import { openHttpImage } from "../../src/backends/disk/image/http.ts";
import type { ImageDisk } from "../../src/backends/disk/image/image-disk.ts";
import type { HttpImageOptions, ImageStatus } from "../../src/backends/disk/image/options.ts";
import { CHUNK, disk, faults, ImageServer, packed, QUICK, type Packed } from "./image-support.ts";

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const work of cleanup.splice(0).reverse()) await work();
});

interface Opened {
  image: ImageDisk;
  server: ImageServer;
  packed: Packed;
  /** The name of a chunk that is stored. */
  name: (chunk: number) => string;
  statuses: ImageStatus[];
  messages: string[];
}

async function serve(bytes: Uint8Array): Promise<{ server: ImageServer; packed: Packed }> {
  const image = await packed(bytes);
  const server = await ImageServer.start(image.folder);
  cleanup.push(image.dispose, () => server.die());
  return { server, packed: image };
}

function heard(options: HttpImageOptions = {}) {
  const [statuses, messages]: [ImageStatus[], string[]] = [[], []];
  return {
    statuses,
    messages,
    options: {
      timing: QUICK,
      label: "The image",
      onStatus: (status: ImageStatus) => void statuses.push(status),
      onMessage: (level: string, text: string) => void messages.push(`${level}: ${text}`),
      ...options,
    },
  };
}

async function open(bytes: Uint8Array, more: HttpImageOptions = {}): Promise<Opened> {
  const { server, packed: image } = await serve(bytes);
  const { options, statuses, messages } = heard(more);
  const opened = await openHttpImage(server.url, options);
  cleanup.push(() => opened.dispose());
  return { image: opened, server, packed: image, name: (chunk) => image.names[chunk]!, statuses, messages };
}

function part(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(offset, offset + length));
  return result;
}

async function requireRead({ image, packed: { bytes } }: Opened, offset: number, length: number) {
  assert.deepEqual(await image.read(offset, length), part(bytes, offset, length));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Nothing is under way, and nothing follows. */
async function quiet(server: ImageServer): Promise<void> {
  for (let before = -1; server.under > 0 || before !== server.requests.length;) {
    before = server.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("An image over HTTP", () => {
  it("has every byte, at every place, and zeros beyond its end", async () => {
    const opened = await open(disk(20, [3, 4, 19]).subarray(0, 20 * CHUNK - 1024));
    const { image } = opened;
    assert.equal(image.size, 20 * CHUNK - 1024);
    assert.match(image.identity, /^ringside-image:80896:[0-9a-f]{64}$/);
    for (const [offset, length] of [
      [0, 512],
      [CHUNK - 1, 2],
      [5, 9 * CHUNK],
      [18 * CHUNK + 512, 3 * CHUNK],
      [40 * CHUNK, 512],
      [100, 0],
    ] as const) {
      await requireRead(opened, offset, length);
    }
    await requireRead(opened, 0, 20 * CHUNK);
  });

  it("knows where it has only zeros, and asks nobody for them", async () => {
    const { image, server } = await open(disk(8, [2, 3, 7]));
    const before = server.requests.length;
    assert.equal(image.holds(2 * CHUNK, 2 * CHUNK), false);
    assert.equal(image.holds(2 * CHUNK, 2 * CHUNK + 1), true);
    assert.equal(image.holds(7 * CHUNK, 100 * CHUNK), false);
    assert.equal(image.holds(6 * CHUNK, 0), false);
    assert.deepEqual(await image.read(2 * CHUNK, 2 * CHUNK), new Uint8Array(2 * CHUNK));
    assert.equal(server.requests.length, before);
  });

  it("gives each reader an array of its own", async () => {
    const opened = await open(disk(2));
    (await opened.image.read(0, CHUNK)).fill(1);
    await requireRead(opened, 0, CHUNK);
  });

  it("fetches a chunk once, whoever asks for it and however often", async () => {
    const bytes = disk(4);
    bytes.copyWithin(3 * CHUNK, 0, CHUNK); // the same content at two places
    const opened = await open(bytes);
    const { server, name } = opened;
    server.always = faults.after(20);
    await Promise.all([0, 1, 2, 3].map((n) => requireRead(opened, (n % 2) * 3 * CHUNK + n, 100)));
    await requireRead(opened, 3 * CHUNK, CHUNK);
    assert.equal(server.count(name(0)), 1);
  });

  it("has at most six requests under way, and serves all", async () => {
    const opened = await open(disk(100));
    opened.server.always = faults.after(3);
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => requireRead(opened, ((n * 37) % 100) * CHUNK, CHUNK)),
    );
    assert.ok(opened.server.mostUnder <= 6, `${opened.server.mostUnder} requests at a time`);
    assert.ok(opened.server.mostUnder >= 4, `${opened.server.mostUnder} requests at a time`);
    assert.equal(opened.image.counters.requests, 102);
  });

  it("counts what it fetched", async () => {
    const {
      image,
      packed: { folder },
      name,
    } = await open(disk(2));
    await image.read(CHUNK, CHUNK);
    const { table } = image.index;
    let expected = 0;
    for (const file of ["index.json", `chunks/${table.slice(0, 2)}/${table}`, name(1)]) {
      expected += (await readFile(join(folder, file))).length;
    }
    const { bytesFetched, requests, retries } = image.counters;
    assert.deepEqual(
      { bytesFetched, requests, retries },
      { bytesFetched: expected, requests: 3, retries: 0 },
    );
  });

  it("takes files that a server declares as encoded", async () => {
    const opened = await open(disk(2));
    opened.server.always = (_request, response, body) =>
      void response.writeHead(200, { "Content-Encoding": "gzip" }).end(body);
    await requireRead(opened, 0, 2 * CHUNK);
  });
});

describe("An image over HTTP whose server misbehaves", () => {
  const kinds = {
    "not found": faults.status(404),
    unavailable: faults.status(503),
    "an error": faults.status(500),
    wrong: faults.wrong,
    "another page": faults.html,
    "broken off": faults.brokenOff,
    "cut short": faults.cutShort,
    "too long": faults.tooLong,
    hanging: faults.hangs,
    silent: faults.silent,
  };
  for (const [kind, fault] of Object.entries(kinds)) {
    it(`reads a chunk that is ${kind} twice and then right, and others meanwhile`, async () => {
      const opened = await open(disk(30));
      opened.server.faults.set(opened.name(17), [fault, fault]);
      const slow = requireRead(opened, 17 * CHUNK, 512);
      await requireRead(opened, 2 * CHUNK, 512);
      await requireRead(opened, 9 * CHUNK, 512);
      await slow;
      assert.equal(opened.server.count(opened.name(17)), 3);
      assert.equal(opened.image.counters.retries, 2);
    });
  }

  it("reads an index and a table that are wrong at first", async () => {
    const { server, packed: image } = await serve(disk(2));
    const table = (JSON.parse(await readFile(join(image.folder, "index.json"), "utf8")) as { table: string })
      .table;
    server.faults.set("index.json", [faults.status(502), faults.html]);
    server.faults.set(`chunks/${table.slice(0, 2)}/${table}`, [faults.cutShort, faults.silent]);
    const opened = await openHttpImage(server.url, heard().options);
    cleanup.push(() => opened.dispose());
    assert.deepEqual(await opened.read(0, 2 * CHUNK), image.bytes);
  });

  it("takes no more memory for a bomb than for a chunk", async () => {
    const opened = await open(disk(2));
    const bomb = gzipSync(Buffer.alloc(4 * 1024 ** 2));
    opened.server.faults.set(opened.name(0), [(_request, response) => void response.end(bomb)]);
    await requireRead(opened, 0, CHUNK);
  });

  it("fails a read when the time is over, says so, and serves again later", async () => {
    const opened = await open(disk(30), { timeoutMs: 200 });
    opened.server.always = faults.status(503);
    const error: unknown = await opened.image.read(0, 512).catch((reason: unknown) => reason);
    assert.ok(error instanceof DiskError);
    assert.equal(error.kind, "io");
    assert.match(
      error.message,
      /^The image could not be read from 127\.0\.0\.1:\d+: the server answered 503\.$/,
    );
    assert.equal(opened.image.status.state, "stalled");
    assert.match(opened.messages.at(-1)!, /^error: The image could not be read within 0\.2 seconds/);
    opened.server.always = undefined;
    await requireRead(opened, 0, 512);
    assert.equal(opened.image.status.state, "ok");
    assert.match(opened.messages.at(-1)!, /^info: The image goes on/);
  });

  it("waits while the server is dead, tells it once, and goes on when it is back", async () => {
    // Nobody takes a busy computer for a stall.
    const opened = await open(disk(60), { timeoutMs: 60_000, timing: { ...QUICK, stall: 1000 } });
    const { server, statuses, messages, image } = opened;
    await server.die();
    const reads = [3, 14, 15, 26, 35, 48, 51].map((n) => requireRead(opened, n * CHUNK, CHUNK));
    await until(() => image.status.state === "stalled");
    await until(() => image.counters.retries > 20);
    await server.revive();
    await Promise.all(reads);
    await until(() => image.status.state === "ok");
    assert.deepEqual(
      messages.map((text) => text.replace(/127[.\d]+:\d+/, "HOST")),
      [
        "warning: The image waits for HOST: the server cannot be reached, or the connection broke. What needs it waits, for up to 60 seconds.",
        "info: The image goes on: HOST answers again.",
      ],
    );
    assert.deepEqual([...new Set(statuses.map(({ state }) => state))], ["stalled", "ok"]);
  });

  it("tells one stall while a chunk is missing for long and others come", async () => {
    const opened = await open(disk(200), { timeoutMs: 60_000 });
    const { server, name, messages } = opened;
    let missing = true;
    server.always = (request, response, body) => {
      if (missing && request.url === `/${name(0)}`) response.writeHead(404).end();
      else response.end(body);
    };
    const slow = requireRead(opened, 0, 512);
    await until(() => messages.length === 1);
    for (let n = 2; n < 200; n += 7) await requireRead(opened, n * CHUNK, 512);
    assert.equal(opened.image.status.state, "stalled");
    missing = false;
    await slow;
    assert.equal(messages.length, 2, messages.join("\n"));
  });

  it("refuses at once what is no image", async () => {
    const { server, packed: image } = await serve(disk(2));
    const index = JSON.parse(await readFile(join(image.folder, "index.json"), "utf8")) as object;
    const cases: [object | string, RegExp][] = [
      ["<html>", /index\.json is not JSON/],
      [[], /is not that of a packed image/],
      [{ ...index, format: 2 }, /has format 2, and this version of Ringside knows 1/],
      [{ ...index, size: 1000 }, /must be a multiple of 512/],
      [{ ...index, size: 2 ** 60 }, /cannot have a size|cannot be larger/],
      [{ ...index, size: 2 ** 40 }, /more than 1048576 chunks of 4096 bytes/],
      [{ ...index, chunkSize: 4097 }, /chunk size 4097 is not a power of two/],
      [{ ...index, chunkSize: 2 ** 30 }, /chunk size 1073741824 is not a power of two/],
      [{ ...index, encoding: "br" }, /encoding "br" is not known/],
      [{ ...index, table: "../../etc/passwd" }, /does not name its table/],
      [{ ...index, chunks: -1 }, /counts are wrong/],
    ];
    for (const [content, message] of cases) {
      await writeFile(
        join(image.folder, "index.json"),
        typeof content === "string" ? content : JSON.stringify(content),
      );
      await assert.rejects(openHttpImage(server.url, heard().options), (error: DiskError) => {
        assert.equal(error.kind, "invalid");
        assert.match(error.message, message);
        return true;
      });
    }
    for (const address of [`${server.url}nothing/`, "nothing", "file:///etc/passwd"]) {
      await assert.rejects(openHttpImage(address, heard().options), { kind: "invalid" });
    }
  });

  it("notices a table of another size", async () => {
    const { server, packed: image } = await serve(disk(2));
    const path = join(image.folder, "index.json");
    const index = JSON.parse(await readFile(path, "utf8")) as object;
    await writeFile(path, JSON.stringify({ ...index, size: 3 * CHUNK }));
    await assert.rejects(openHttpImage(server.url, heard({ timeoutMs: 100 }).options), /too few bytes/);
  });

  it("ends opening by a signal, and reading by dispose", async () => {
    const { server } = await serve(disk(2));
    await server.die();
    const controller = new AbortController();
    const opening = openHttpImage(server.url, heard({ signal: controller.signal }).options);
    controller.abort(new Error("no longer"));
    await assert.rejects(opening, /no longer/);

    await server.revive();
    const image = await openHttpImage(server.url, heard().options);
    server.always = faults.silent;
    const read = assert.rejects(image.read(0, 512), { kind: "gone", message: "The image is closed." });
    await until(() => server.under > 0);
    await image.dispose();
    await read;
    await assert.rejects(image.read(0, 512), { kind: "gone" });
    await until(() => server.under === 0);
  });

  it("finds a folder that moved back", async () => {
    const { server, packed: image } = await serve(disk(2));
    const opened = await openHttpImage(`${server.url}index.json`, heard().options);
    cleanup.push(() => opened.dispose());
    await rename(join(image.folder, "chunks"), join(image.folder, "away"));
    const read = opened.read(0, 2 * CHUNK);
    await until(() => opened.status.state === "stalled");
    await rename(join(image.folder, "away"), join(image.folder, "chunks"));
    assert.deepEqual(await read, image.bytes);
  });
});

describe("Read-ahead over HTTP", () => {
  const order = (opened: Opened): number[] =>
    opened.server.requests.map((name) => opened.packed.names.indexOf(name)).filter((chunk) => chunk >= 0);

  it("is ahead of a sequential reader", async () => {
    const opened = await open(disk(120));
    for (let n = 0; n < 60; n++) {
      await requireRead(opened, n * CHUNK, CHUNK);
      await quiet(opened.server);
    }
    const { readAhead, readAheadUsed } = opened.image.counters;
    assert.ok(readAheadUsed >= 55, `${readAheadUsed} of 60 chunks were there before`);
    assert.ok(readAhead - readAheadUsed <= 60);
  });

  it("is ahead of a strided one, and not between its steps", async () => {
    const opened = await open(disk(200));
    for (let n = 0; n < 20; n++) {
      await requireRead(opened, n * 5 * CHUNK, CHUNK);
      await quiet(opened.server);
    }
    assert.ok(opened.image.counters.readAheadUsed >= 15);
    assert.deepEqual(
      order(opened).filter((chunk) => chunk % 5 !== 0),
      [],
    );
  });

  it("fetches nothing for random access", async () => {
    const opened = await open(disk(1000));
    let state = 7;
    for (let n = 0; n < 150; n++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      await opened.image.read((state % 1000) * CHUNK, 512);
    }
    await quiet(opened.server);
    const { readAhead, readAheadUsed } = opened.image.counters;
    assert.ok(
      readAhead - readAheadUsed <= 15,
      `${readAhead - readAheadUsed} chunks for nothing in 150 reads`,
    );
  });

  it("leaves demand its connections, and is not repeated when it fails", async () => {
    const opened = await open(disk(60));
    opened.server.always = faults.silent;
    const waiting = [0, 1, 2].map((n) => opened.image.read(n * CHUNK, CHUNK).catch(() => undefined));
    await until(() => opened.server.under > 2);
    opened.server.always = undefined;
    await requireRead(opened, 50 * CHUNK, 512);
    await Promise.all(waiting);
  });
});
