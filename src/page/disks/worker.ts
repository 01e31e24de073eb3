import { proxy, wrap, type Remote } from "comlink";
import { TAB } from "../tab.ts";
import type { DiskApi, DiskListener } from "../../worker/disk/protocol.ts";

/** The disks' worker: started when it is first needed, and again when it died. */
export class DiskWorker {
  readonly #listener: DiskListener;
  #worker: Worker | undefined;
  #api: Remote<DiskApi> | undefined;
  /** Rejects when the worker dies: what it was asked has no answer then. */
  #died: Promise<never> | undefined;

  constructor(listener: DiskListener) {
    this.#listener = listener;
  }

  /** Calls the worker. Rejects with an Error whose message is a sentence for a person. */
  async ask<T>(call: (api: Remote<DiskApi>) => Promise<T>): Promise<T> {
    const api = (this.#api ??= this.#start());
    return Promise.race([call(api), this.#died!]);
  }

  #start(): Remote<DiskApi> {
    const worker = new Worker(new URL("../../worker/disk/main.ts", import.meta.url), {
      type: "module",
      name: "ringside-disks",
    });
    this.#died = new Promise((_, reject) => {
      worker.onerror = (event) => {
        event.preventDefault();
        const reason = event.message ? `: ${event.message}` : "";
        reject(new Error(`The page's part for disks failed${reason}. What it was doing is undone.`));
        worker.terminate();
        if (this.#worker === worker) this.#api = undefined;
      };
    });
    this.#died.catch(() => undefined);
    this.#worker = worker;
    const api = wrap<DiskApi>(worker);
    void api.connect(TAB, proxy(this.#listener));
    return api;
  }
}
