import { proxy, releaseProxy, transfer, wrap, type Remote } from "comlink";
import { ByteChannel, type ByteHandler } from "../worker/byte-channel.ts";
import type { HostApi, HostListener } from "../worker/protocol.ts";

/** A worker with a machine host in it: calls by comlink, the terminal's bytes over a port of their own. */
export class Connection {
  readonly host: Remote<HostApi>;
  /** Keystrokes out, the guest's output in. */
  readonly terminal: ByteChannel;
  /** Resolves when the worker is gone: what it was asked has no answer then. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  #end: () => void = () => undefined;

  /** @param onFailure the worker could not be loaded, or died with an error that nobody caught; a sentence for a person */
  constructor(listener: HostListener, onOutput: ByteHandler, onFailure: (reason: string) => void) {
    this.#worker = new Worker(new URL("../worker/main.ts", import.meta.url), {
      type: "module",
      name: "ringside-machine",
    });
    this.#worker.onerror = (event) => {
      event.preventDefault();
      // A script that does not load has no message.
      onFailure(
        event.message ? `The machine failed: ${event.message}.` : "The machine's code could not be loaded.",
      );
    };
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.host = wrap<HostApi>(this.#worker);
    const { port1, port2 } = new MessageChannel();
    this.terminal = new ByteChannel(port1, onOutput);
    void this.host.connect(transfer(port2, [port2]), proxy(listener));
  }

  /** Ends the worker at once: for a machine that failed. One that runs is stopped first (`host.stop()`), to close its disks. */
  dispose(): void {
    this.#worker.onerror = null;
    this.host[releaseProxy]();
    this.terminal.dispose();
    this.#worker.terminate();
    this.#end();
  }
}
