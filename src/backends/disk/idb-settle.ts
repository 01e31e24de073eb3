import { promisifyRequest } from "idb-keyval";
import { patiently } from "./patiently.ts";

/** The database that is made and deleted at once: see settleStorage. */
const NAME = "ringside-settle";

/** Milliseconds after which a browser that does not answer is gone on without. */
const TIMEOUT = 5_000;

let settled: Promise<void> | undefined;

/**
 * To be awaited before anything is opened in IndexedDB: makes an end, once for each page or worker, to what a browser that was
 * killed left half written. Takes some milliseconds; never rejects.
 *
 * Chromium keeps an origin's databases in one LevelDB. A kill can cut the last record of its log, which the next start reads
 * rightly as the end, but then it goes on writing behind it in the same log (`reuse_logs`). To the start after that, this is
 * damage in the middle, and Chromium deletes all databases of the origin. The end of a deleteDatabase is a compaction, for which
 * LevelDB moves what the log has into a table and begins a new log; so the damage is gone before we write what matters.
 */
export function settleStorage(): Promise<void> {
  return (settled ??= Promise.race([
    // Where that fails, so does what comes next, and says so.
    settle().catch(() => undefined),
    new Promise<void>((resolve) => setTimeout(resolve, TIMEOUT)),
  ]));
}

async function settle(): Promise<void> {
  (await patiently(() => promisifyRequest(indexedDB.open(NAME)))).close();
  await promisifyRequest(indexedDB.deleteDatabase(NAME));
}
