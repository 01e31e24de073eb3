import type { VirtioDevice } from "../../../src/virtio/device.ts";
import { watchStrictly } from "../../../src/virtio/strict/auditor.ts";
import { FakeMemory } from "./memory.ts";
import { PackedDriverQueue } from "./queue-packed.ts";
import { DriverQueue, type Placement, type RingDriver, type Segment } from "./queue.ts";
import { type DriverTransport, type Kind, plug } from "./transport.ts";

/** Device status, 2.1. */
export const ACKNOWLEDGE = 1;
export const DRIVER = 2;
export const DRIVER_OK = 4;
export const FEATURES_OK = 8;
export const NEEDS_RESET = 64;
export const FAILED = 128;

/** Feature bits of section 6, as masks. */
export const INDIRECT_DESC = 1n << 28n;
export const EVENT_IDX = 1n << 29n;
/** Offered to legacy drivers, and not to be accepted (6.3). */
const UNUSED = 1n << 30n;
export const VERSION_1 = 1n << 32n;
export const RING_PACKED = 1n << 34n;
export const IN_ORDER = 1n << 35n;
export const NOTIFICATION_DATA = 1n << 38n;
export const NOTIF_CONFIG_DATA = 1n << 39n;
export const RING_RESET = 1n << 40n;

export interface DriverOptions {
  kind?: Kind;
  memory?: FakeMemory;
  /** Feature bits to accept out of those offered; all unless given. */
  features?: bigint;
  /** Bits not to accept. */
  without?: bigint;
  /** The largest queue size to use. */
  queueSize?: number;
  /** Number of queues to set up; all unless given. */
  queues?: number;
  /** Watch this driver as strict mode does. */
  strict?: boolean;
}

/**
 * A model driver (virtio 1.3, 3.1.1): brings a device up through its registers, puts buffers into its queues, and learns of
 * used ones through the interrupt line alone.
 */
export class Driver {
  readonly memory: FakeMemory;
  readonly transport: DriverTransport;
  /** Every queue that is set up, whatever its layout. */
  readonly rings: RingDriver[] = [];
  features = 0n;
  /** Configuration change interrupts seen. */
  configChanges = 0;
  /** Interrupts for queues seen. */
  queueInterrupts = 0;
  readonly #options: DriverOptions;
  readonly #waiting = new Map<string, (written: number) => void>();

  constructor(device: VirtioDevice, options: DriverOptions = {}) {
    this.#options = options;
    this.memory = options.memory ?? new FakeMemory();
    const kind = options.kind ?? "pci";
    if (options.strict) watchStrictly(device, kind.startsWith("pci") ? "pci" : "mmio");
    this.transport = plug(device, kind, this.memory);
    this.transport.line.onRaise = () => this.interrupt();
  }

  /** The whole initialisation, 3.1.1. */
  static start(device: VirtioDevice, options: DriverOptions = {}): Driver {
    const driver = new Driver(device, options);
    driver.start();
    return driver;
  }

  start(): void {
    this.negotiate();
    this.setUpQueues();
    this.transport.status = ACKNOWLEDGE | DRIVER | this.#featuresOk | DRIVER_OK;
  }

  /** Steps 1 to 6: up to FEATURES_OK. */
  negotiate(): void {
    const { transport } = this;
    transport.identify?.();
    transport.status = 0;
    if (transport.status !== 0) throw new Error("the device did not reset");
    transport.status = ACKNOWLEDGE;
    transport.status = ACKNOWLEDGE | DRIVER;
    const wanted = (this.#options.features ?? ~0n) & ~(this.#options.without ?? 0n);
    this.features = transport.deviceFeatures() & (wanted | VERSION_1) & ~UNUSED;
    transport.acceptFeatures(this.features);
    if (this.transport.legacy) return; // 3.1.2: legacy drivers skip these steps
    transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    if (!(transport.status & FEATURES_OK)) throw new Error("the device refused the features");
  }

  setUpQueues(): void {
    this.rings.length = 0;
    for (let index = 0; index < (this.#options.queues ?? 65536); index++) {
      this.transport.selectQueue(index);
      const maximum = this.transport.maximumSize();
      if (maximum === 0) break;
      const wanted = this.transport.legacy?.sizeFixed ? maximum : (this.#options.queueSize ?? maximum);
      this.rings.push(this.setUpRing(index, Math.min(maximum, wanted)));
    }
  }

  /** The same for a split queue. @throws TypeError when it is packed. */
  setUpQueue(index: number, size: number): DriverQueue {
    return asSplit(this.setUpRing(index, size));
  }

  setUpRing(index: number, size: number): RingDriver {
    const [eventIdx, inOrder] = [this.has(EVENT_IDX), this.has(IN_ORDER)];
    const queue = this.has(RING_PACKED)
      ? new PackedDriverQueue(this.memory, size, { eventIdx, inOrder })
      : new DriverQueue(this.memory, size, eventIdx, inOrder, this.transport.legacy?.align);
    this.transport.selectQueue(index);
    this.transport.setQueueSize(size);
    this.transport.setAreas(queue);
    this.transport.enableQueue();
    return queue;
  }

  get #featuresOk(): number {
    return this.transport.legacy ? 0 : FEATURES_OK;
  }

  /** The split queues. @throws TypeError when they are packed. */
  get queues(): DriverQueue[] {
    return this.rings.map(asSplit);
  }

  /** A packed queue. @throws TypeError when it is split. */
  packed(index: number): PackedDriverQueue {
    const ring = this.rings[index];
    if (ring instanceof PackedDriverQueue) return ring;
    throw new TypeError("not a packed queue");
  }

  has(feature: bigint): boolean {
    return (this.features & feature) !== 0n;
  }

  /** Adds a chain and tells the device if it wants to know; resolves with used.len when the device has given it back. */
  request(index: number, segments: readonly Segment[], placement: Placement = "direct"): Promise<number> {
    const promise = this.enqueue(index, segments, placement);
    this.kick(index);
    return promise;
  }

  /** Adds a chain that the device does not see before the next kick. */
  enqueue(index: number, segments: readonly Segment[], placement: Placement = "direct"): Promise<number> {
    const head = this.rings[index]!.add(segments, placement);
    return new Promise((resolve) => this.#waiting.set(`${index}/${head}`, resolve));
  }

  /** Exposes what was added; notifies only when the device asked for it. Returns whether it did. */
  kick(index: number): boolean {
    const wanted = this.rings[index]!.expose();
    if (wanted) this.notify(index);
    return wanted;
  }

  /** An available buffer notification, with its data if that was negotiated (2.9). */
  notify(index: number): void {
    this.transport.notify(index, this.has(NOTIFICATION_DATA) ? this.rings[index]!.next : undefined);
  }

  /** The interrupt handler: acknowledges, then takes what is used until nothing is left (2.7.14). */
  interrupt(): void {
    while (this.transport.line.asserted) {
      const events = this.transport.acknowledge();
      if (events & 2) this.configChanges++;
      if (!(events & 1)) continue;
      this.queueInterrupts++;
      this.rings.forEach((_, index) => this.reap(index));
    }
  }

  /** Takes used buffers and asks for an interrupt on the next one. */
  reap(index: number): void {
    const queue = this.rings[index]!;
    for (let elements = queue.reap(); elements.length > 0; elements = queue.reap()) {
      for (const { id, length } of elements) {
        const key = `${index}/${id}`;
        const done = this.#waiting.get(key);
        this.#waiting.delete(key);
        done?.(length);
      }
      queue.rearm();
    }
  }
}

function asSplit(ring: RingDriver): DriverQueue {
  if (ring instanceof DriverQueue) return ring;
  throw new TypeError("not a split queue");
}

/** Lets everything that waits in microtasks and in the event loop happen. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
