import { type DeviceOptions, VirtioDevice } from "../../src/virtio/device.ts";
import type { Virtqueue } from "../../src/virtio/queue.ts";
import type { DescriptorChain } from "../../src/virtio/ring/chain.ts";

/**
 * A device for fuzzing rings: a chain comes back with what the driver wrote, at once or when the fuzzer says so, in any
 * order. Its second queue leaves interrupts for the end of the turn; its configuration space has fields of each width.
 */
export class EchoDevice extends VirtioDevice {
  readonly held: { queue: Virtqueue; chain: DescriptorChain }[] = [];
  /** Chains stay here until `give`. */
  hold = false;
  /** The most chains to hold; more stay in the ring. */
  limit = 8;
  readonly #piece = new Uint8Array(512);

  constructor(options: DeviceOptions) {
    super(
      {
        type: 4,
        kind: "entropy",
        features: [],
        queues: [
          { name: "now", size: 256 },
          { name: "later", size: 64, interruptLater: true },
        ],
        config: [
          { name: "wide", width: 8 },
          { name: "word", width: 4, writable: true },
          { name: "half", width: 2, writable: true },
          { name: "byte", width: 1, writable: true },
        ],
      },
      options,
    );
  }

  protected override process(queue: Virtqueue): void {
    while (!this.hold || this.held.length < this.limit) {
      const chain = queue.take();
      if (!chain) return;
      if (this.hold) this.held.push({ queue, chain });
      else this.#answer(queue, chain);
    }
  }

  /** Gives one of the chains back, if there are any. After a reset it may well be dead. */
  give(which: number): void {
    const [held] = this.held.splice(which % Math.max(1, this.held.length), 1);
    if (held) this.#answer(held.queue, held.chain);
  }

  /** The device has room again. */
  wake(index: number): void {
    this.poll(this.queues[index]!);
  }

  change(value: number): void {
    this.config.set("wide", value);
    this.configChanged();
  }

  #answer(queue: Virtqueue, chain: DescriptorChain): void {
    const { reader, writer } = chain;
    const length = reader.read(this.#piece);
    queue.put(chain, writer.write(this.#piece.subarray(0, Math.max(length, 16))));
  }
}
