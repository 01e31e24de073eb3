/**
 * Who is there, by Web Locks: each holds one for as long as its tab lives, and whoever waits for it is told when that ends. A tab
 * that is closed or crashes has no time to say so. Without Web Locks (Node 20) nothing is held and nobody is told.
 */
export class Presence {
  readonly #locks = typeof navigator === "undefined" ? undefined : (navigator as Partial<Navigator>).locks;
  readonly #end = new AbortController();
  #release: (() => void) | undefined;

  /** Resolves when the others can wait for the end of `id`. */
  hold(id: string): Promise<void> {
    if (!this.#locks) return Promise.resolve();
    return new Promise((resolve) => {
      const held = new Promise<void>((release) => (this.#release = release));
      const request = this.#locks!.request(lockOf(id), { signal: this.#end.signal }, () => {
        resolve();
        return held;
      });
      // Where locks are not to be had, heartbeats have to do.
      request.catch(() => resolve());
    });
  }

  /** Calls `gone` once `id` is held by nobody, unless this is disposed of before. */
  watch(id: string, gone: () => void): void {
    this.#locks
      ?.request(lockOf(id), { mode: "shared", signal: this.#end.signal }, gone)
      .catch(() => undefined);
  }

  dispose(): void {
    this.#release?.();
    this.#end.abort();
  }
}

function lockOf(id: string): string {
  return `ringside.net.${id}`;
}
