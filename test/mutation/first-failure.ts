/** What the test runner tells a reporter, as far as it is used here. */
interface TestEvent {
  type: string;
  data: { name: string; details?: { passed?: boolean; type?: string } };
}

/** A reporter that prints the title of the first test that fails, and ends the process there. */
export default async function* firstFailure(events: AsyncIterable<TestEvent>): AsyncGenerator<never> {
  for await (const { type, data } of events) {
    // A suite fails because of a test in it, which is named already.
    if (type !== "test:complete" || data.details?.passed !== false || data.details.type === "suite") continue;
    process.stdout.write(data.name, () => process.exit(1));
    await new Promise(() => undefined);
  }
}
