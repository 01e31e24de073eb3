import { MemoryCapture } from "../backends/net/capture/memory.ts";
import type { Machine } from "../machine/machine.ts";
import type { CaptureStatus } from "./protocol.ts";

/** What is captured of a machine's network devices, in memory: what the page offers as files. */
export class Captures {
  readonly #captures = new Map<string, MemoryCapture>();

  /** Forgets what there is of the device. Throws a sentence when the machine has no such device. */
  start(machine: Machine, id: string): void {
    const network = machine.networks().find((network) => network.id === id);
    if (!network) throw new Error(`There is no network device "${id}".`);
    const { mac, speed, wire } = network;
    this.#captures.get(id)?.stop();
    const capture = new MemoryCapture({ name: id, description: wire, mac, speed }, "Ringside");
    this.#captures.set(id, capture);
    machine.capture(id, (direction, packet) => capture.add(direction, packet));
  }

  stop(machine: Machine, id: string): void {
    this.#captures.get(id)?.stop();
    if (this.#captures.has(id)) machine.capture(id, undefined);
  }

  /** A pcapng file. Throws a sentence when nothing was captured. */
  read(id: string): Blob {
    const capture = this.#captures.get(id);
    if (!capture) throw new Error(`Nothing was captured of the network device "${id}".`);
    return new Blob(capture.file(), { type: "application/x-pcapng" });
  }

  status(id: string): CaptureStatus | undefined {
    return this.#captures.get(id)?.status;
  }

  /** The machine is gone, and what was captured with it. */
  clear(): void {
    this.#captures.clear();
  }
}
