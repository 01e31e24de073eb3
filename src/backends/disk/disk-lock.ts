/**
 * Who has a disk open. The lock of the disk's name keeps others out; a second one beside it, which nobody waits for, carries in
 * its name who holds the first. The browser releases both, however the holder ends.
 */
import { DiskBusyError } from "./errors.ts";
import { acquireLock, heldLocks, tryLock } from "./web-lock.ts";

export interface DiskHolder {
  /** Which tab, by an identifier of its own. */
  tab: string;
  /** What has it open, within a sentence: `debian, 256 MiB`. */
  title: string;
  /** Since when, milliseconds since 1970. */
  since: number;
}

export interface LockOptions {
  mode: LockMode;
  holder?: DiskHolder | undefined;
  /** Milliseconds to wait for another holder to end; usually long enough for a tab that is being loaded anew. */
  patience?: number;
}

const SEPARATOR = "\n";

/** Takes a disk's lock; resolves with what releases it. Rejects with a DiskBusyError that says who has it, "blocked" without locks. */
export async function lockDisk(
  database: string,
  label: string,
  { mode, holder, patience }: LockOptions,
): Promise<() => void> {
  let release: () => void;
  try {
    release = await acquireLock(database, label, mode, patience);
  } catch (error) {
    const [other] = error instanceof DiskBusyError ? ((await diskHolders()).get(database) ?? []) : [];
    throw other ? new DiskBusyError(openIn(label, other, holder?.tab), { cause: error }) : error;
  }
  const forget = holder && (await tryLock(database + SEPARATOR + JSON.stringify(holder), "shared"));
  return () => {
    release();
    forget?.();
  };
}

/** Who has which disk open, by database. */
export async function diskHolders(): Promise<Map<string, DiskHolder[]>> {
  const holders = new Map<string, DiskHolder[]>();
  for (const lock of await heldLocks()) {
    const [database, holder] = lock.split(SEPARATOR);
    if (holder !== undefined)
      holders.set(database!, [...(holders.get(database!) ?? []), JSON.parse(holder) as DiskHolder]);
  }
  return holders;
}

/** That a disk is open, as a sentence; `tab` is the reader's. */
export function openIn(label: string, { tab, title, since }: DiskHolder, reader?: string): string {
  const time = new Date(since).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const where = tab === reader ? "in this tab" : "in another tab or window";
  return `${label} is open ${where} (${title}, since ${time}).`;
}
