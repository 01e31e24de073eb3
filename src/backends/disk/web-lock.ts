import { DiskBusyError, DiskError, asError } from "./errors.ts";

/**
 * Milliseconds that we wait for a lock that another holds. A page that is loaded anew may be here before the browser has ended
 * the worker of its predecessor, which holds the lock until then.
 */
const PATIENCE = 2000;

/**
 * Takes a lock of the browser that all tabs and workers of the origin see. It is released by the function that this resolves
 * to, and by the browser when the tab or worker ends, however it ends.
 *
 * @param holder for messages: what is locked, as `The disk "home"`
 * @param mode   "shared" lets other shared holders in
 * @throws DiskBusyError when another holds it, DiskError "blocked" when there are no locks here
 */
export function acquireLock(
  name: string,
  holder: string,
  mode: LockMode,
  patience = PATIENCE,
): Promise<() => void> {
  return new Promise((resolve, reject) => {
    locks()
      .request(name, { mode, signal: AbortSignal.timeout(patience) }, () => {
        // The lock is held for as long as this promise is pending.
        return new Promise<void>((release) => resolve(release));
      })
      .catch((cause: unknown) => {
        const error = asError(cause);
        if (error.name === "TimeoutError") {
          reject(new DiskBusyError(`${holder} is open in another tab or window.`, { cause }));
        } else {
          reject(unlockable(holder, cause));
        }
      });
  });
}

/** Takes a lock if nobody else has it; resolves with what releases it, or undefined. Rejects with a DiskError "blocked". */
export function tryLock(name: string, mode: LockMode = "exclusive"): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    locks()
      .request(name, { mode, ifAvailable: true }, (lock) => {
        if (lock) return new Promise<void>((release) => resolve(release));
        resolve(undefined);
        return undefined;
      })
      .catch((cause: unknown) => reject(unlockable(`The lock "${name}"`, cause)));
  });
}

/** Does `work` while nobody else in the origin does work under that name. Rejects with a DiskError "blocked" without locks. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  let began = false as boolean;
  try {
    return await locks().request(name, () => {
      began = true;
      return work();
    });
  } catch (error) {
    throw began || error instanceof DiskError ? error : unlockable("The list of disks", error);
  }
}

/** Names of all locks that are held in the origin. */
export async function heldLocks(): Promise<Set<string>> {
  const { held } = await locks().query();
  return new Set((held ?? []).flatMap(({ name }) => (name === undefined ? [] : [name])));
}

function unlockable(what: string, cause: unknown): DiskError {
  return new DiskError("blocked", `${what} cannot be locked: ${asError(cause).message}.`, { cause });
}

function locks(): LockManager {
  // The types know only secure contexts.
  const manager = (navigator as { locks?: LockManager }).locks;
  if (manager) return manager;
  throw new DiskError(
    "blocked",
    "Disks in the browser need Web Locks, which this browser offers only over HTTPS or on localhost, if at all.",
  );
}
