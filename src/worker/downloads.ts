import type { GuestImage } from "../machine/image.ts";
import type { ProgressListener } from "./download.ts";
import { loadImage } from "./images.ts";
import { loadWasm } from "./wasm.ts";

/**
 * What a machine needs from the network, kept for the next machine. What is under way goes on while a person decides about a busy
 * disk; what failed is tried again when it is next asked for; another image cancels the one before.
 */
export class Downloads {
  readonly #base: URL;
  readonly #onProgress: ProgressListener;
  readonly #stop = new AbortController();
  #wasm: Promise<WebAssembly.Module> | undefined;
  #image: { name: string; loading: Promise<GuestImage>; stop: AbortController } | undefined;

  constructor(base: URL, onProgress: ProgressListener) {
    this.#base = base;
    this.#onProgress = onProgress;
  }

  /** v86's CPU, compiled. Rejects with a DownloadError. */
  wasm(): Promise<WebAssembly.Module> {
    if (!this.#wasm) {
      this.#wasm = loadWasm(this.#base, this.#onProgress, this.#stop.signal);
      this.#wasm.catch(() => (this.#wasm = undefined));
    }
    return this.#wasm;
  }

  /** A guest image, verified. Rejects with a DownloadError. */
  image(name: string): Promise<GuestImage> {
    if (this.#image?.name !== name) {
      this.#image?.stop.abort();
      const stop = new AbortController();
      const loading = loadImage(name, this.#base, this.#onProgress, stop.signal);
      const image = (this.#image = { name, loading, stop });
      loading.catch(() => {
        // The other file of the pair is of no use alone.
        stop.abort();
        if (this.#image === image) this.#image = undefined;
      });
    }
    return this.#image.loading;
  }
}
