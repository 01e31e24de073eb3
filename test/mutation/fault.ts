/** A deliberate mistake in the source, which a test has to notice. */
export interface Fault {
  /** What the device does wrong with it. */
  wrong: string;
  /** From the repository's root. */
  file: string;
  /** Text that stands in the file exactly once. */
  find: string;
  replace: string;
  /** Names of the files in test/unit that should notice, without `.test.ts`; run in turn until one does. */
  tests: readonly string[];
}

/** The source with the mistake in it. @throws Error when the text to replace is not there, or not just once. */
export function apply(source: string, { file, find, replace }: Fault): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(`${file} has the text ${JSON.stringify(find)} ${parts.length - 1} times, not once`);
  }
  return parts.join(replace);
}
