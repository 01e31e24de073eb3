import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** v86's CPU, compiled. Rejects with a plain sentence when it is missing or damaged. */
export async function loadWasm(): Promise<WebAssembly.Module> {
  let path = "v86/build/v86.wasm";
  try {
    path = createRequire(import.meta.url).resolve(path);
    return await WebAssembly.compile(await readFile(path));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The processor (${path}) cannot be loaded: ${reason} Install it again with: npm ci`, {
      cause: error,
    });
  }
}
