import { type Input, LineTooLong } from "../input.ts";
import { HttpError } from "./error.ts";
import { headerOf, readHeaders, type RequestHead, wordsOf } from "./request.ts";

/** Bytes of a piece of a body. */
const PIECE = 256 * 1024;
/** Bytes of a chunk's first line: its size and extensions, which mean nothing here. */
const LONGEST_CHUNK_LINE = 256;

/** The body of a request, piece by piece. */
export interface RequestBody {
  /** Bytes, where the client says so before. */
  readonly length: number | undefined;
  /** All of it was read. */
  readonly done: boolean;
  /** The next piece; undefined after the last. Throws HttpError when it is not what it should be. */
  next(): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** The body that the head announces (RFC 9112, 6.3); undefined without one. */
export function bodyOf(head: RequestHead, input: Input): RequestBody | undefined {
  const length = headerOf(head, "content-length");
  const codings = wordsOf(head, "transfer-encoding");
  if (codings.length > 0) {
    // Both together are how requests are smuggled.
    if (length !== undefined || head.minor === 0)
      throw new HttpError(400, "The length of the body is said in two ways.");
    if (codings.length > 1 || codings[0] !== "chunked")
      throw new HttpError(501, "A body can only come chunked, or with its length.");
    return new ChunkedBody(input);
  }
  if (length === undefined) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw new HttpError(400, "The length of the body is no number.");
  return length === "0" ? undefined : new PlainBody(input, Number(length));
}

class PlainBody implements RequestBody {
  readonly length: number;
  readonly #input: Input;
  #rest: number;

  constructor(input: Input, length: number) {
    this.#input = input;
    this.length = this.#rest = length;
  }

  get done(): boolean {
    return this.#rest === 0;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#rest === 0) return undefined;
    const piece = await some(this.#input, this.#rest);
    this.#rest -= piece.length;
    return piece;
  }
}

class ChunkedBody implements RequestBody {
  readonly length = undefined;
  readonly #input: Input;
  #rest = 0;
  #first = true;
  #done = false;

  constructor(input: Input) {
    this.#input = input;
  }

  get done(): boolean {
    return this.#done;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#done) return undefined;
    if (this.#rest === 0) await this.#begin();
    if (this.#rest === 0) {
      // What comes after the last chunk says nothing that goes on.
      if (!(await readHeaders(this.#input, []))) throw cutShort();
      this.#done = true;
      return undefined;
    }
    const piece = await some(this.#input, this.#rest);
    this.#rest -= piece.length;
    return piece;
  }

  /** The size of the next chunk; before it the end of the one before. */
  async #begin(): Promise<void> {
    if (!this.#first && (await this.#line()) !== "") throw wrong();
    this.#first = false;
    const size = /^([0-9a-fA-F]{1,12})[ \t]*(;|$)/.exec(await this.#line());
    if (!size) throw wrong();
    this.#rest = parseInt(size[1]!, 16);
  }

  async #line(): Promise<string> {
    try {
      const line = await this.#input.line(LONGEST_CHUNK_LINE);
      if (line === undefined) throw cutShort();
      return line;
    } catch (error) {
      throw error instanceof LineTooLong ? wrong() : error;
    }
  }
}

/** A copy: what comes in shares the array of a packet. */
async function some(input: Input, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const piece = await input.some(Math.min(most, PIECE));
  if (!piece) throw cutShort();
  return new Uint8Array(piece);
}

const cutShort = () => new HttpError(400, "The body of the request is cut short.");
const wrong = () => new HttpError(400, "A chunk of the request's body cannot be read.");
