/** What a person can act on: the message says what is missing or wrong, and what to do. Printed without a stack. */
export class ImageBuildError extends Error {
  override name = "ImageBuildError";
}

/** The message of whatever was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
