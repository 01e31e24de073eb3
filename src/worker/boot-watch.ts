/** Finds the lines by which the guest's /init says how far it is (images/ writes them to the kernel's log). */
const markers = [
  { mark: "init", text: "ringside: init" },
  { mark: "prompt", text: "ringside: prompt" },
] as const;

export type WatchedMark = (typeof markers)[number]["mark"];

/** Looks at console output until all markers were seen, then costs one comparison a write. */
export class BootWatch {
  readonly #onMark: (mark: WatchedMark) => void;
  readonly #awaited = new Set(markers);
  readonly #decoder = new TextDecoder("latin1");
  /** The end of what came before: a marker may come in two writes. */
  #tail = "";

  constructor(onMark: (mark: WatchedMark) => void) {
    this.#onMark = onMark;
  }

  see(data: Uint8Array): void {
    if (this.#awaited.size === 0) return;
    const text = this.#tail + this.#decoder.decode(data);
    for (const marker of this.#awaited) {
      if (!text.includes(marker.text)) continue;
      this.#awaited.delete(marker);
      this.#onMark(marker.mark);
    }
    this.#tail = text.slice(-32);
  }
}
