import type { VirtioDevice } from "../device.ts";
import type { Virtqueue } from "../queue.ts";
import { Feature } from "../spec.ts";
import type { Rule } from "../strict/sentences.ts";

/** The selectors and queue fields that the PCI and the MMIO register files have in common. */
export class TransportState {
  readonly device: VirtioDevice;
  deviceFeatureSelect = 0;
  driverFeatureSelect = 0;
  queueSelect = 0;

  /** The rule that a driver breaks which changes a queue in use. */
  readonly #changeRule: Rule;

  constructor(device: VirtioDevice, changeRule: Rule = "4.1.5.1.3 queue") {
    this.device = device;
    this.#changeRule = changeRule;
  }

  /** The selected 32 bits of what the device offers; 0 beyond bit 63. */
  get deviceFeatures(): number {
    return featureWord(this.device.offered, this.deviceFeatureSelect);
  }

  get driverFeatures(): number {
    return featureWord(this.device.negotiated, this.driverFeatureSelect);
  }

  get queue(): Virtqueue | undefined {
    return this.device.queues[this.queueSelect];
  }

  /** Runs `change` on the selected queue, unless it is enabled already or does not exist: then the driver is told. */
  configureQueue(change: (queue: Virtqueue) => void): void {
    const { queue, device } = this;
    if (queue && !queue.enabled) change(queue);
    else
      device.violation(
        this.#changeRule,
        `queue ${this.queueSelect} changed ${queue ? "while enabled" : "though there is none"}`,
      );
  }

  setQueueSize(size: number): void {
    this.configureQueue((queue) => {
      const fault = this.device.queueSizeFault(queue, size);
      if (!fault) queue.size = size;
      else {
        this.device.violation(fault.rule, fault.what, queue.index);
        // Not usable: the size stays invalid, so that enabling the queue fails instead of running with another size.
        queue.size = 0;
      }
    });
  }

  enableQueue(): void {
    const { queue, device } = this;
    if (!queue) device.violation("2.6 exists", `queue ${this.queueSelect} enabled, there is none`);
    else if (queue.size === 0)
      device.fatal(
        device.has(Feature.common.RING_PACKED) ? "2.8.10.1 size" : "2.7 size",
        `queue ${queue.index} enabled with an invalid size`,
        queue.index,
      );
    else device.enableQueue(queue);
  }

  /** The driver takes the selected queue away. */
  disableQueue(): void {
    const { queue, device } = this;
    if (queue) device.disableQueue(queue);
    else device.violation("2.6 exists", `queue ${this.queueSelect} disabled, there is none`);
  }

  reset(): void {
    this.deviceFeatureSelect = this.driverFeatureSelect = this.queueSelect = 0;
  }
}

/** A 64-bit address register with one half written, the other half kept. */
export function withHalf(address: bigint, high: boolean, value: number): bigint {
  const [low, top] = high ? [half(address, false), value] : [value, half(address, true)];
  return (BigInt(top) << 32n) | BigInt(low);
}

/** The low or the high half of a 64-bit address. */
export function half(address: bigint, high: boolean): number {
  return Number(high ? address >> 32n : address & 0xffffffffn);
}

function featureWord(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> BigInt(32 * select)) & 0xffffffffn);
}
