import { type RequestHead, wordsOf } from "./request.ts";

/** Between two that speak HTTP with each other, and no others (RFC 9110, 7.6.1); and what `fetch` says itself. */
const HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const FETCH_SAYS = new Set(["host", "content-length", "expect", "accept-encoding"]);

/**
 * A page that sends one of these to another origin has to ask it first (CORS preflight), which servers of files hardly ever
 * answer; and without them the answer is right, too.
 */
const NOT_WORTH_ASKING = new Set([
  "user-agent",
  "cache-control",
  "pragma",
  "if-modified-since",
  "if-none-match",
  "accept-charset",
  "upgrade-insecure-requests",
  "priority",
]);

/** What of a request's headers goes on. */
export function requestHeaders(head: RequestHead, fromPage: boolean): [string, string][] {
  const named = new Set(wordsOf(head, "connection"));
  return head.headers.filter(
    ([name]) =>
      !HOP.has(name) &&
      !FETCH_SAYS.has(name) &&
      !named.has(name) &&
      !name.startsWith("sec-") &&
      !(fromPage && NOT_WORTH_ASKING.has(name)),
  );
}

/**
 * What of a response's headers goes on. `fetch` has decoded the body, so its encoding and length are others now; in a page the
 * encoding is not even to be seen (CORS), and so no length can be believed.
 */
export function responseHeaders(headers: Headers, fromPage: boolean): [string, string][] {
  const encoded = fromPage || headers.has("content-encoding");
  const cookies = headers.getSetCookie().map((cookie): [string, string] => ["set-cookie", cookie]);
  const others = [...headers].filter(
    ([name]) =>
      !HOP.has(name) &&
      name !== "set-cookie" &&
      name !== "content-encoding" &&
      !(encoded && name === "content-length"),
  );
  return [...others, ...cookies];
}
