/** How a file of an image is asked for, once. */
export interface Attempt {
  readonly signal: AbortSignal;
  /** Past whatever a cache on the way may hold: an attempt before has failed. */
  readonly fresh: boolean;
  /** Because what came was wrong. */
  readonly wrongBefore: boolean;
  /** Told of each arrival. Bytes. */
  readonly onBytes: (count: number) => void;
}

/** Where the files of an image come from. */
export interface ImageSource {
  /** For messages, within a sentence: `example.org`, `the folder /srv/debian`. */
  readonly where: string;
  /** Whether what failed may succeed later, by itself. */
  readonly unreliable: boolean;
  /**
   * The bytes of the file with that name relative to the index; one attempt.
   * Rejects with a SourceFailure, also when there are more than `most` bytes, or with the signal's reason.
   */
  get(name: string, most: number, attempt: Attempt): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * An attempt failed. The message says why, to stand after a colon: `the server answered 503`.
 * - `missing`: whoever answers knows no such file.
 * - `wrong`: it is not what it should be.
 * - `unreachable`: anything else.
 */
export class SourceFailure extends Error {
  override readonly name = "SourceFailure";
  readonly kind: "missing" | "wrong" | "unreachable";
  /** Milliseconds that the server asks to be left alone for. */
  readonly retryAfter: number;

  constructor(
    kind: SourceFailure["kind"],
    message: string,
    options: ErrorOptions & { retryAfter?: number } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.retryAfter = options.retryAfter ?? 0;
  }
}
