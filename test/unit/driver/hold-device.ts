import { type DeviceOptions, VirtioDevice } from "../../../src/virtio/device.ts";
import type { VirtioEvent } from "../../../src/virtio/observer.ts";
import type { Virtqueue } from "../../../src/virtio/queue.ts";
import type { DescriptorChain } from "../../../src/virtio/ring/chain.ts";

export interface HoldOptions extends DeviceOptions {
  queues?: number;
  size?: number;
  /** Of every queue. */
  interruptLater?: boolean;
}

/**
 * A device for tests: keeps the chains that it takes until it is told to give them back, and can be too busy to take any.
 * Its configuration space has one field of each width.
 */
export class HoldDevice extends VirtioDevice {
  readonly held: DescriptorChain[] = [];
  /** The most chains to hold; more stay in the ring. */
  limit = Infinity;
  readonly configWrites: string[] = [];
  readonly events: VirtioEvent[] = [];

  constructor({ queues = 1, size = 256, interruptLater = false, ...options }: HoldOptions = {}) {
    super(
      {
        type: 4,
        kind: "entropy",
        features: [],
        queues: Array.from({ length: queues }, (_, i) => ({ name: `queue ${i}`, size, interruptLater })),
        config: [
          { name: "capacity", width: 8 },
          { name: "word", width: 4 },
          { name: "half", width: 2, writable: true },
          { name: "byte", width: 1 },
          { name: "own", width: 1, writable: true },
        ],
      },
      options,
    );
    this.onViolation = (violation) => this.rules.push(violation.rule);
  }

  /** Sections of the specification that the driver broke. */
  readonly rules: string[] = [];

  protected override process(queue: Virtqueue): void {
    while (this.held.length < this.limit) {
      const chain = queue.take();
      if (!chain) return;
      this.held.push(chain);
    }
  }

  protected override onConfigWrite(field: string): void {
    this.configWrites.push(field);
  }

  /** Gives back the oldest `count` chains. */
  give(count = this.held.length, written = 0, queue = 0): void {
    for (const chain of this.held.splice(0, count)) this.queues[queue]!.put(chain, written);
  }

  /** The device has room again. */
  wake(queue = 0): void {
    this.poll(this.queues[queue]!);
  }

  changeConfig(name: string, value: number): void {
    this.config.set(name, value);
    this.configChanged();
  }
}
