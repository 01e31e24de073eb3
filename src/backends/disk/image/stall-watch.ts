import type { ImageOptions, ImageStatus } from "./options.ts";

/** Tells the page and the person when an image waits for its server, once, and when it goes on. */
export class StallWatch {
  readonly #label: string;
  readonly #where: string;
  /** Seconds. */
  readonly #timeout: number;
  readonly #options: Pick<ImageOptions, "onStatus" | "onMessage">;
  #status: ImageStatus = { state: "ok", since: Date.now(), reason: "" };
  #failed = false;

  constructor(
    names: { label: string; where: string; timeout: number },
    options: Pick<ImageOptions, "onStatus" | "onMessage">,
  ) {
    this.#label = names.label;
    this.#where = names.where;
    this.#timeout = names.timeout / 1000;
    this.#options = options;
  }

  get status(): ImageStatus {
    return this.#status;
  }

  /** Somebody waits in vain. */
  waiting(reason: string): void {
    if (this.#status.state === "stalled" && this.#status.reason === reason) return;
    const first = this.#status.state === "ok";
    this.#set({ state: "stalled", since: first ? Date.now() : this.#status.since, reason });
    if (!first) return;
    const bound =
      this.#timeout === Infinity ? "" : ` What needs it waits, for up to ${this.#timeout} seconds.`;
    this.#options.onMessage?.("warning", `${this.#label} waits for ${this.#where}: ${reason}.${bound}`);
  }

  /** Somebody has waited for too long. */
  gaveUp(reason: string): void {
    this.waiting(reason);
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onMessage?.(
      "error",
      `${this.#label} could not be read within ${this.#timeout} seconds from ${this.#where}: ${reason}. Its reader gets an I/O error.`,
    );
  }

  /** Something came. Returns whether that was the end of a stall. */
  answered(): boolean {
    if (this.#status.state === "ok") return false;
    this.#failed = false;
    this.#set({ state: "ok", since: Date.now(), reason: "" });
    this.#options.onMessage?.("info", `${this.#label} goes on: ${this.#where} answers again.`);
    return true;
  }

  #set(status: ImageStatus): void {
    this.#status = status;
    this.#options.onStatus?.(status);
  }
}
