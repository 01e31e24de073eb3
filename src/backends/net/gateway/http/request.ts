import { type Input, LineTooLong } from "../input.ts";
import { HttpError } from "./error.ts";

/** Bytes of a line, bytes of all headers, and how many there may be. */
const LONGEST_LINE = 8 * 1024;
const LONGEST_HEAD = 32 * 1024;
const MOST_HEADERS = 128;

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The head of a request (RFC 9112). */
export interface RequestHead {
  method: string;
  target: string;
  /** HTTP/1.0 or HTTP/1.1. */
  minor: 0 | 1;
  /** Names in lower case, in the order in which they came. */
  headers: [name: string, value: string][];
}

/** The next request's head; undefined when there is none any more. Throws HttpError for what is none. */
export async function readHead(input: Input): Promise<RequestHead | undefined> {
  try {
    let first = await input.line(LONGEST_LINE);
    // An empty line before a request is somebody's old mistake (2.2).
    if (first === "") first = await input.line(LONGEST_LINE);
    if (first === undefined) return undefined;
    const head = requestLine(first);
    return (await readHeaders(input, head.headers)) ? head : undefined;
  } catch (error) {
    if (error instanceof LineTooLong) throw new HttpError(431, "A line of the request is too long.");
    throw error;
  }
}

/** The values of a header, in one list; undefined when it is not there. */
export function headerOf({ headers }: RequestHead, name: string): string | undefined {
  const values = headers.flatMap(([key, value]) => (key === name ? [value] : []));
  return values.length === 0 ? undefined : values.join(", ");
}

/** Whether a header has this among its words. */
export function hasWord(head: RequestHead, name: string, word: string): boolean {
  return wordsOf(head, name).includes(word);
}

/** The words of a header, in lower case. */
export function wordsOf(head: RequestHead, name: string): string[] {
  const value = headerOf(head, name) ?? "";
  return value
    .toLowerCase()
    .split(",")
    .flatMap((word) => word.trim() || []);
}

/** Headers of a request, or what comes after a chunked body. False: the stream ended before. */
export async function readHeaders(input: Input, headers: [string, string][]): Promise<boolean> {
  let room = LONGEST_HEAD;
  for (;;) {
    const line = await input.line(LONGEST_LINE);
    if (line === undefined) return false;
    if (line === "") return true;
    room -= line.length;
    if (room < 0 || headers.length === MOST_HEADERS)
      throw new HttpError(431, "The request has too many headers.");
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    // Also a line that goes on with the header before it (obs-fold, 5.2) has no name.
    if (!TOKEN.test(name) || /[\0\r]/.test(value))
      throw new HttpError(400, "A header of the request cannot be read.");
    headers.push([name.toLowerCase(), value]);
  }
}

function requestLine(line: string): RequestHead {
  const parts = /^(\S+) (\S+) HTTP\/1\.([01])$/.exec(line);
  if (!parts || !TOKEN.test(parts[1]!))
    throw new HttpError(400, "That is no request of HTTP/1.0 or HTTP/1.1.");
  return { method: parts[1]!, target: parts[2]!, minor: parts[3] === "0" ? 0 : 1, headers: [] };
}
