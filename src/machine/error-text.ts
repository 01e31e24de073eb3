/** What was thrown, for a person; an Error's message is a sentence already. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
