import { settleStorage } from "../idb-settle.ts";

const NAME = "ringside-image-cache";
/** One store; its keys are `part:` and a digest, `index:` and an address and USAGE. */
const STORE = "files";
/** The bytes of all parts. */
const USAGE = "usage";

/** Milliseconds after which a browser that does not answer is gone on without. */
const OPEN_TIMEOUT = 3_000;

/** The cache's database, made when there is none. Undefined where that is not to be had; never rejects. */
export async function openCacheDatabase(): Promise<IDBDatabase | undefined> {
  await settleStorage();
  return new Promise((resolve) => {
    let request: IDBOpenDBRequest;
    try {
      request = (globalThis as { indexedDB?: IDBFactory }).indexedDB!.open(NAME, 1);
    } catch {
      resolve(undefined); // none in this browser, or not for this page
      return;
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      resolve(undefined);
    }, OPEN_TIMEOUT);
    request.onupgradeneeded = () => void request.result.createObjectStore(STORE);
    request.onerror = (event) => {
      event.preventDefault(); // not on the console
      clearTimeout(timer);
      resolve(undefined);
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      const database = request.result;
      const ours = !late && database.objectStoreNames.contains(STORE);
      if (!ours) database.close();
      resolve(ours ? database : undefined);
    };
  });
}

export const partKey = (digest: string): string => `part:${digest}`;
export const indexKey = (url: string): string => `index:${url}`;

/** Resolves with what is stored under each key. Rejects when the browser cannot. */
export function readAll(database: IDBDatabase, keys: readonly string[]): Promise<unknown[]> {
  const values: unknown[] = [];
  return transact(database, "readonly", (store) => {
    for (const [index, key] of keys.entries()) {
      const request = store.get(key);
      request.onsuccess = () => void (values[index] = request.result);
    }
  }).then(() => values);
}

/** Adds the parts that are not there yet, all or none. */
export function addParts(database: IDBDatabase, parts: ReadonlyMap<string, Uint8Array>): Promise<void> {
  return transact(database, "readwrite", (store) => {
    let added = 0;
    for (const [digest, bytes] of parts) {
      const request = store.add(bytes, partKey(digest));
      request.onsuccess = () => (added += bytes.length);
      request.onerror = (event) => {
        if (request.error?.name !== "ConstraintError") return;
        // Another tab was quicker.
        event.preventDefault();
        event.stopPropagation();
      };
    }
    changeUsage(store, () => added);
  });
}

export function removePart(database: IDBDatabase, digest: string, length: number): Promise<void> {
  return transact(database, "readwrite", (store) => {
    let removed = 0;
    // Two readers may find the same one wrong.
    const request = store.count(partKey(digest));
    request.onsuccess = () => {
      if (request.result > 0) removed = length;
      store.delete(partKey(digest));
      changeUsage(store, () => -removed);
    };
  });
}

export function putIndex(database: IDBDatabase, url: string, bytes: Uint8Array): Promise<void> {
  return transact(database, "readwrite", (store) => void store.put(bytes, indexKey(url)));
}

/** Bytes of the images' files that this browser keeps; 0 where it keeps none. */
export async function imageCacheSize(): Promise<number> {
  return (await withDatabase(usedBytes)) ?? 0;
}

/** Removes all that is kept of images. Machines that run go on, and keep anew what they fetch. */
export async function clearImageCache(): Promise<void> {
  await withDatabase(removeAll);
}

/** The same, to make room: resolves with whether there was anything to remove. Never rejects. */
export async function giveUpImageCache(): Promise<boolean> {
  try {
    if ((await imageCacheSize()) === 0) return false;
    await clearImageCache();
    return true;
  } catch {
    return false;
  }
}

export async function usedBytes(database: IDBDatabase): Promise<number> {
  const [used] = await readAll(database, [USAGE]);
  return typeof used === "number" ? used : 0;
}

/** Removes all that is kept. */
export function removeAll(database: IDBDatabase): Promise<void> {
  return transact(database, "readwrite", (store) => void store.clear());
}

async function withDatabase<T>(work: (database: IDBDatabase) => Promise<T>): Promise<T | undefined> {
  const database = await openCacheDatabase();
  try {
    return database && (await work(database));
  } finally {
    database?.close();
  }
}

/** Once all requests before it in the transaction have succeeded. */
function changeUsage(store: IDBObjectStore, by: () => number): void {
  const request = store.get(USAGE);
  request.onsuccess = () => {
    const before = typeof request.result === "number" ? request.result : 0;
    store.put(Math.max(0, before + by()), USAGE);
  };
}

/** What is lost in a power cut is fetched again: the durability is relaxed. */
function transact(
  database: IDBDatabase,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: "relaxed" });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException("The transaction was aborted.", "AbortError"));
    work(transaction.objectStore(STORE));
  });
}
