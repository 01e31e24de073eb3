/**
 * What went wrong with a disk, as far as a caller can act on it:
 * - `busy`: another machine has it open.
 * - `full`: no space is left behind it.
 * - `gone`: it was closed, deleted or taken away.
 * - `blocked`: the browser or the system does not let us at it.
 * - `io`: the storage failed, or what it returned is not what a disk holds.
 * - `invalid`: what was asked for makes no sense (a size, a path, a format).
 */
export type DiskErrorKind = "busy" | "full" | "gone" | "blocked" | "io" | "invalid";

/** An error of a disk. The message is a sentence for a person. */
export class DiskError extends Error {
  readonly kind: DiskErrorKind;

  constructor(kind: DiskErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DiskError";
    this.kind = kind;
  }
}

/** The disk is open in another machine: the person may close that one, or go on without this disk. */
export class DiskBusyError extends DiskError {
  constructor(message: string, options?: ErrorOptions) {
    super("busy", message, options);
    this.name = "DiskBusyError";
  }
}

/** `error` as an Error, for `cause` and for messages: browsers reject with null here and there. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
