/** A request that cannot be done: a status, and a sentence for the person who reads the page. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, sentence: string) {
    super(sentence);
    this.name = "HttpError";
    this.status = status;
  }
}
