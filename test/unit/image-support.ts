/** Disks, packed images and an HTTP server that misbehaves, for the tests of images in chunks. */
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageTiming } from "../../src/backends/disk/image/options.ts";
import { packImage } from "../../src/node/image/pack.ts";

/** Waiting in milliseconds, for tests: a fiftieth of what people have. */
export const QUICK: ImageTiming = {
  silence: 600,
  backOff: 10,
  longestBackOff: 100,
  stall: 150,
  tick: 10,
};

export const CHUNK = 4096;

/** A disk of `chunks` chunks of CHUNK bytes, each of another content; those in `zero` are of zeros. */
export function disk(chunks: number, zero: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(chunks * CHUNK);
  const words = new Uint32Array(bytes.buffer);
  let state = 12345;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[index] = state;
  }
  for (const number of zero) bytes.fill(0, number * CHUNK, (number + 1) * CHUNK);
  return bytes;
}

export interface Packed {
  readonly folder: string;
  readonly bytes: Uint8Array;
  /** The path of each chunk's file within the folder; undefined for zeros. */
  readonly names: (string | undefined)[];
  readonly dispose: () => Promise<void>;
}

/** Packs `bytes` into a folder of its own. */
export async function packed(bytes: Uint8Array): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "ringside-image-"));
  await writeFile(join(folder, "disk.raw"), bytes);
  const { table } = await packImage(join(folder, "disk.raw"), join(folder, "image"), { chunkSize: CHUNK });
  const image = join(folder, "image");
  const { gunzipSync } = await import("node:zlib");
  const digests = gunzipSync(await readFile(join(image, "chunks", table.slice(0, 2), table)));
  const names = Array.from({ length: digests.length / 32 }, (_, number) => {
    const digest = digests.subarray(number * 32, number * 32 + 32).toString("hex");
    return /^0+$/.test(digest) ? undefined : `chunks/${digest.slice(0, 2)}/${digest}`;
  });
  return { folder: image, bytes, names, dispose: () => rm(folder, { recursive: true, force: true }) };
}

/** What becomes of a request; undefined when it is served as it should be. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
) => void | Promise<void>;

/** Serves a folder; counts and records requests; misbehaves as told; can die and come back. */
export class ImageServer {
  /** Names that were asked for, in their order. */
  readonly requests: string[] = [];
  /** Requests under way, and the most that there were. */
  under = 0;
  mostUnder = 0;
  /** How to misbehave for a name: taken one after the other, the last stays when it is repeated by `always`. */
  readonly faults = new Map<string, Fault[]>();
  /** For every request of a chunk that has no fault of its own. */
  always: Fault | undefined;
  port = 0;
  readonly #folder: string;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  static async start(folder: string): Promise<ImageServer> {
    const server = new ImageServer(folder);
    await server.revive();
    return server;
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  count(name: string): number {
    return this.requests.filter((asked) => asked === name).length;
  }

  /** Takes every connection down, and no other one. */
  async die(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async revive(): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = request.url!.slice(1);
    this.requests.push(name);
    this.mostUnder = Math.max(this.mostUnder, ++this.under);
    response.on("close", () => this.under--);
    let body: Buffer;
    try {
      body = await readFile(join(this.#folder, name));
    } catch {
      response.writeHead(404).end("There is no such file.");
      return;
    }
    const fault = this.faults.get(name)?.shift() ?? (name.startsWith("chunks/") ? this.always : undefined);
    if (fault) await fault(request, response, body);
    else response.end(body);
  }
}

/** Misbehaviour. */
export const faults = {
  status:
    (code: number): Fault =>
    (_request, response) =>
      void response.writeHead(code).end("no"),
  wrong: ((_request, response, body) => {
    const bytes = Buffer.from(body);
    bytes[bytes.length >> 1]! ^= 0xff;
    response.end(bytes);
  }) satisfies Fault,
  html: ((_request, response) => void response.end("<!doctype html><p>Please log in.")) satisfies Fault,
  /** All that was announced does not come. */
  brokenOff: ((_request, response, body) => {
    response.writeHead(200, { "Content-Length": body.length });
    response.write(body.subarray(0, body.length >> 1), () => response.destroy());
  }) satisfies Fault,
  /** Announces only what it sends. */
  cutShort: ((_request, response, body) =>
    void response.end(body.subarray(0, body.length - 20))) satisfies Fault,
  tooLong: ((_request, response, body) =>
    void response.end(Buffer.concat([body, Buffer.alloc(64 * 1024, 7)]))) satisfies Fault,
  /** Headers, half of the body, and then nothing for ever. */
  hangs: ((_request, response, body) => {
    response.writeHead(200, { "Content-Length": body.length });
    response.write(body.subarray(0, body.length >> 1));
  }) satisfies Fault,
  silent: (() => undefined) satisfies Fault,
  after:
    (milliseconds: number): Fault =>
    (_request, response, body) =>
      void setTimeout(() => response.end(body), milliseconds),
};
