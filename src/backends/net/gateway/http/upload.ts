import type { RequestBody } from "./body.ts";

/**
 * Bytes of a request's body that are collected before it is sent: whole, every fetch takes it. As a stream a browser sends it only to
 * servers with HTTP/2, while in Node nothing is gained by waiting for more than a little.
 */
export const COLLECTED = { page: 16 << 20, node: 1 << 20 } as const;
/** Bytes of all bodies that are collected at a time; beyond that they go as streams. */
export const COLLECTED_TOGETHER = 64 << 20;

/** What is left of {@link COLLECTED_TOGETHER}. */
export interface Budget {
  left: number;
}

/** A request's body as fetch takes it. */
export class Upload {
  readonly #body: RequestBody;
  readonly #budget: Budget;
  #collected = 0;
  /** What was wrong with a stream: fetch says only that something was. */
  failure: unknown;

  constructor(body: RequestBody, budget: Budget) {
    this.#body = body;
    this.#budget = budget;
  }

  /** A body of up to `most` bytes whole, a longer one as a stream. Throws HttpError when it is not what it should be. */
  async content(most: number): Promise<Blob | ReadableStream<Uint8Array>> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    while ((this.#body.length ?? 0) <= most && this.#collected <= most && this.#budget.left > 0) {
      const part = await this.#body.next();
      if (!part) return new Blob(parts);
      parts.push(part);
      this.#collected += part.length;
      this.#budget.left -= part.length;
    }
    return this.#stream(parts);
  }

  /** Nobody needs it any more. */
  release(): void {
    this.#budget.left += this.#collected;
    this.#collected = 0;
  }

  /** Read no faster than fetch sends it. */
  #stream(parts: Uint8Array<ArrayBuffer>[]): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const part = parts.shift() ?? (await this.#body.next());
            if (part) controller.enqueue(part);
            else controller.close();
          } catch (error) {
            this.failure = error;
            controller.error(error);
          }
        },
      },
      { highWaterMark: 0 },
    );
  }
}
