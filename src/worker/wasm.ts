import { wasmUrl } from "../machine/wasm-url.ts";
import { counted, DownloadError, request, type ProgressListener } from "./download.ts";

/** Downloads v86's CPU and compiles it while it arrives. Rejects with a DownloadError. */
export async function loadWasm(
  base: URL,
  onProgress: ProgressListener,
  signal: AbortSignal,
): Promise<WebAssembly.Module> {
  const what = "The processor (v86.wasm)";
  const response = await request(new URL(wasmUrl, base), what, signal);
  const body = counted(response.body!, { name: "Processor", total: __V86_WASM_SIZE__ }, onProgress);
  try {
    return await WebAssembly.compileStreaming(
      new Response(body, { headers: { "Content-Type": "application/wasm" } }),
    );
  } catch (error) {
    signal.throwIfAborted();
    throw new DownloadError(`${what} arrived cut short or damaged.`, { cause: error });
  }
}
