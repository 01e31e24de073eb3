import { asError } from "./errors.ts";

const ATTEMPTS = 12;
/** Milliseconds between two of them. */
const PAUSE = 250;

/**
 * Opens what is in IndexedDB, for some seconds again when the browser has an internal error: Chromium cannot open an origin's
 * storage while a process of a browser that crashed, or was just ended, still holds it.
 */
export async function patiently<T>(open: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await open();
    } catch (error) {
      if (attempt === ATTEMPTS || !isInternal(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

/** Also within a DiskError that explains it. */
function isInternal(error: unknown): boolean {
  const { name, cause } = asError(error);
  return (
    name === "UnknownError" ||
    (cause !== undefined && cause !== null && asError(cause).name === "UnknownError")
  );
}
