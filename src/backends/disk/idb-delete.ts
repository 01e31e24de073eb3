import { DiskError } from "./errors.ts";
import { explain } from "./idb-database.ts";

/** Milliseconds until a delete without an answer is given up. */
const TIMEOUT = 10_000;

/** Deletes a disk's database; resolves also when there is none. Rejects with a DiskError "blocked" when something has it open. */
export function deleteDatabase(name: string, label: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    const timer = setTimeout(() => {
      const text = "has not been deleted yet: something else has it open. It will be when that is closed.";
      reject(new DiskError("blocked", `${label} ${text}`));
    }, TIMEOUT);
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onerror = (event) => {
      event.preventDefault();
      clearTimeout(timer);
      reject(explain(request.error, label));
    };
  });
}
