import type { GuestImage, ImageManifest } from "../machine/image.ts";
import type { ProgressListener } from "./download.ts";
import { loadImage, loadManifest } from "./images.ts";
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
  #image: LoadingImage | undefined;

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

  /** What an image is, which is known before it is here. Rejects with a DownloadError. */
  manifest(name: string): Promise<ImageManifest> {
    return this.#loading(name).manifest;
  }

  /** A guest image, verified. Rejects with a DownloadError. */
  image(name: string): Promise<GuestImage> {
    return this.#loading(name).whole;
  }

  #loading(name: string): LoadingImage {
    if (this.#image?.name !== name) {
      this.#image?.stop.abort();
      const stop = new AbortController();
      const manifest = loadManifest(name, this.#base, stop.signal);
      const whole = loadImage(name, manifest, this.#base, this.#onProgress, stop.signal);
      const image = (this.#image = { name, manifest, whole, stop });
      whole.catch(() => {
        // The other file of the pair is of no use alone.
        stop.abort();
        if (this.#image === image) this.#image = undefined;
      });
    }
    return this.#image;
  }
}

interface LoadingImage {
  name: string;
  manifest: Promise<ImageManifest>;
  /** With its kernel and its initramfs. */
  whole: Promise<GuestImage>;
  stop: AbortController;
}
