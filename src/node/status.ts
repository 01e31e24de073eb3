import { ConfigError } from "../config/error.ts";

/**
 * What `ringside` exits with. With `--exec` it is the status of the guest's command (0 to 255), so these can also be
 * the guest's; a message on stderr tells them apart.
 */
export const Status = {
  ok: 0,
  /** We failed: an image or a disk cannot be opened, the output cannot be written. */
  failure: 1,
  /** The command line or the configuration makes no sense. Nothing was started. */
  usage: 2,
  /** With `--strict`: the guest's drivers broke the specification. */
  violations: 3,
  /** `--timeout` is over, as timeout(1) has it. */
  timeout: 124,
  /** The guest powered off, restarted or crashed before its command ended. Without `--exec`: it crashed. */
  guestGone: 125,
  /** Nobody reads our output any more: 128 and SIGPIPE. */
  pipe: 141,
} as const;

/** 128 and the signal's number, as shells have it. */
export const SIGNAL_STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** The command line is wrong; the message says how. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Why a run ends before its work does. */
export class Interrupted extends Error {
  override name = "Interrupted";
  readonly status: number;
  /** False when the message would only say what the person just did. */
  readonly worthSaying: boolean;

  constructor(status: number, message: string, worthSaying = true) {
    super(message);
    this.status = status;
    this.worthSaying = worthSaying;
  }
}

/** What an error is to the person: the text on stderr, if any, and the status. */
export function describeFailure(error: unknown): { status: number; text: string | undefined } {
  if (error instanceof Interrupted) {
    return { status: error.status, text: error.worthSaying ? error.message : undefined };
  }
  if (error instanceof ConfigError) return { status: Status.usage, text: error.report() };
  if (error instanceof UsageError) {
    return { status: Status.usage, text: `${error.message} See: ringside --help` };
  }
  return { status: Status.failure, text: error instanceof Error ? error.message : String(error) };
}
