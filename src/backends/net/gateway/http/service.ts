import { addressText } from "../../../../net/address.ts";
import type { Host } from "../dns/names.ts";
import type { NamePool } from "../dns/pool.ts";
import { Input } from "../input.ts";
import type { Connection } from "../tcp/connection.ts";
import { bodyOf, type RequestBody } from "./body.ts";
import { HttpError } from "./error.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import { gatewayPage } from "./page.ts";
import { hasWord, headerOf, readHead, type RequestHead } from "./request.ts";
import { Slots } from "./slots.ts";
import { statusText } from "./status-text.ts";
import { targetOf } from "./target.ts";
import { COLLECTED, COLLECTED_TOGETHER, Upload } from "./upload.ts";

/** Fetches under way at a time; more requests wait. */
export const FETCHES = 64;
export interface HttpOptions {
  /** The way out; undefined: there is none, and only the gateway's own page is served. */
  fetch: typeof fetch | undefined;
  /** Whether the page that the machine runs in came over https; undefined when it runs in none. */
  pageIsSecure: boolean | undefined;
  pool: NamePool | undefined;
  hosts: () => readonly Host[];
  mtu: number;
}

/** HTTP/1.0 and 1.1 for guests, over the platform's fetch. */
export class HttpService {
  readonly #options: HttpOptions;
  readonly #slots = new Slots(FETCHES);
  readonly #budget = { left: COLLECTED_TOGETHER };

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Requests of one connection, one after the other. `read` is the connection's, with patience. */
  async serve(connection: Connection, read: () => Promise<Uint8Array | undefined>): Promise<void> {
    const input = new Input(read);
    let goOn = true;
    while (goOn) goOn = await this.#exchange(connection, input);
  }

  /** One request and its response. False: the connection is to end. */
  async #exchange(connection: Connection, input: Input): Promise<boolean> {
    const answer = new Answer(connection);
    try {
      const head = await readHead(input);
      if (!head) return false;
      answer.to(head);
      const target = targetOf(head, connection.route.source, {
        secure: this.#options.pageIsSecure ?? false,
        pool: this.#options.pool,
      });
      const body = bodyOf(head, input);
      if (body && hasWord(head, "expect", "100-continue")) await answer.goOn();
      if ("url" in target) await this.#relay(connection, answer, head, target.url, body);
      else await this.#ownPage(connection, answer, head, target.path, body);
    } catch (error) {
      if (!(error instanceof HttpError) || answer.begun) throw error;
      await answer.text(error.status, "text/plain", `${error.message}\n`, false);
    }
    return answer.keepsOpen;
  }

  async #ownPage(
    connection: Connection,
    answer: Answer,
    { method }: RequestHead,
    path: string,
    body: RequestBody | undefined,
  ): Promise<void> {
    if (method !== "GET" && method !== "HEAD")
      throw new HttpError(405, "The gateway's page can only be read.");
    if (path !== "/") throw new HttpError(404, "The gateway has one page only, http://gateway.ringside/");
    const { hosts, mtu, pool } = this.#options;
    const client = addressText(connection.route.destination);
    const page = gatewayPage({ client, hosts: hosts(), http: pool !== undefined, mtu });
    await answer.text(200, "text/html", page, body === undefined);
  }

  async #relay(
    connection: Connection,
    answer: Answer,
    head: RequestHead,
    url: URL,
    body: RequestBody | undefined,
  ): Promise<void> {
    const { fetch } = this.#options;
    if (!fetch) throw new HttpError(502, "There is no way out of this network (http=off).");
    refuseWhatFetchCannot(head, body);
    const controller = new AbortController();
    const forget = connection.whenGone(() => controller.abort());
    try {
      await this.#slots.run(controller.signal, async () => {
        const response = await this.#fetch(fetch, head, url, body, controller.signal);
        await answer.relay(response, body?.done ?? true, this.#options.pageIsSecure !== undefined);
      });
    } finally {
      forget();
      // Whatever is left of it, when the guest has gone or the answer could not be read.
      controller.abort();
    }
  }

  async #fetch(
    fetch_: typeof fetch,
    head: RequestHead,
    url: URL,
    body: RequestBody | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const upload = body && new Upload(body, this.#budget);
    const fromPage = this.#options.pageIsSecure !== undefined;
    let streamed = false;
    try {
      const content = await upload?.content(fromPage ? COLLECTED.page : COLLECTED.node);
      streamed = content instanceof ReadableStream;
      return await fetch_(url.href, {
        method: head.method,
        headers: requestHeaders(head, fromPage),
        body: content ?? null,
        signal,
        redirect: "follow",
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
        ...(streamed ? { duplex: "half" } : {}),
      });
    } catch (error) {
      if (upload?.failure instanceof HttpError) throw upload.failure;
      throw error instanceof HttpError ? error : this.#explain(url, error, streamed);
    } finally {
      upload?.release();
    }
  }

  #explain(url: URL, error: unknown, streamed: boolean): HttpError {
    const { message, cause } = error as Error;
    const because = cause instanceof Error ? `${message}: ${cause.message}` : message;
    if (this.#options.pageIsSecure === undefined)
      return new HttpError(502, `${url.origin} could not be fetched (${because}).`);
    const long = streamed
      ? ` Or it has no HTTP/2, without which no browser sends more than ${COLLECTED.page >> 20} MiB.`
      : "";
    return new HttpError(
      502,
      `The page could not fetch ${url.origin} (${because}). It cannot be reached, or it does not allow other pages to read it (CORS).${long}`,
    );
  }
}

function refuseWhatFetchCannot(head: RequestHead, body: RequestBody | undefined): void {
  const { method } = head;
  if (method === "TRACE" || method === "TRACK") throw new HttpError(405, `fetch has no ${method}.`);
  if (body && (method === "GET" || method === "HEAD"))
    throw new HttpError(400, `fetch sends no body with ${method}.`);
  if (headerOf(head, "upgrade")?.toLowerCase() === "websocket")
    throw new HttpError(501, "WebSockets cannot be passed on: a page can only fetch.");
}

/** What one request gets. */
class Answer {
  readonly #connection: Connection;
  #head: RequestHead | undefined;
  /** Its first byte is out: nothing else can be said. */
  begun = false;
  /** The next request may come over the same connection. */
  keepsOpen = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  to(head: RequestHead): void {
    this.#head = head;
    this.keepsOpen = head.minor === 1 ? !hasWord(head, "connection", "close") : false;
  }

  /** 100 Continue. */
  async goOn(): Promise<void> {
    await this.#connection.write([latin1("HTTP/1.1 100 Continue\r\n\r\n")]);
  }

  /** All at once. `keep`: the connection may be used again, if the client wants that. */
  async text(status: number, type: string, text: string, keep: boolean): Promise<void> {
    const body = new TextEncoder().encode(text);
    this.keepsOpen &&= keep;
    const head = this.#begin(status, statusText(status), [
      ["content-type", `${type}; charset=utf-8`],
      ["content-length", String(body.length)],
    ]);
    await this.#connection.write(this.#head?.method === "HEAD" ? [head] : [head, body]);
  }

  /** What fetch has got, as it comes. */
  async relay(response: Response, requestDone: boolean, fromPage: boolean): Promise<void> {
    const { status } = response;
    const headers = responseHeaders(response.headers, fromPage);
    this.keepsOpen &&= requestDone;
    if (this.#head!.method === "HEAD" || status === 204 || status === 304) {
      await this.#connection.write([this.#begin(status, response.statusText, headers)]);
      return;
    }
    const length = headers.find(([name]) => name === "content-length");
    const chunked = !length && this.#head!.minor === 1;
    if (chunked) headers.push(["transfer-encoding", "chunked"]);
    // Without a length or chunks the end of the connection is the end of the body.
    if (!length && !chunked) this.keepsOpen = false;
    await this.#connection.write([this.#begin(status, response.statusText, headers)], true);
    const sent = await this.#body(response, chunked);
    if (length && Number(length[1]) !== sent) throw new Error("The body has another length than was said.");
  }

  /** Returns its bytes. */
  async #body(response: Response, chunked: boolean): Promise<number> {
    let sent = 0;
    const reader = response.body?.getReader();
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) break;
      const { length } = piece.value;
      if (length === 0) continue;
      const size = chunked ? [latin1(`${sent > 0 ? "\r\n" : ""}${length.toString(16)}\r\n`)] : [];
      sent += length;
      await this.#connection.write([...size, piece.value], true);
    }
    const end = chunked ? [latin1(`${sent > 0 ? "\r\n" : ""}0\r\n\r\n`)] : [];
    await this.#connection.write(end);
    return sent;
  }

  #begin(status: number, text: string, headers: readonly (readonly [string, string])[]): Uint8Array {
    this.begun = true;
    const clean = text.replace(/[^\t\x20-\x7e]/g, "") || statusText(status);
    const lines = [
      `HTTP/1.1 ${status} ${clean}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
      `connection: ${this.keepsOpen ? "keep-alive" : "close"}`,
    ];
    return latin1(`${lines.join("\r\n")}\r\n\r\n`);
  }
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
