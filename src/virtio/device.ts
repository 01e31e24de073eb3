import { ConfigSpace, type ConfigField } from "./config-space.ts";
import type { GuestMemory } from "./memory.ts";
import type { Observer, Violation } from "./observer.ts";
import { type QueueModel, type QueueOwner, Virtqueue } from "./queue.ts";
import type { DescriptorChain } from "./ring/chain.ts";
import { Feature, Status } from "./spec.ts";

/** What a transport gives a device: how to interrupt the driver (2.3, 2.9). */
export interface Interrupts {
  queue(index: number): void;
  config(): void;
}

export interface DeviceOptions {
  /** Offer VIRTIO_F_EVENT_IDX; on unless false. */
  eventIdx?: boolean;
  /** Offer VIRTIO_F_INDIRECT_DESC; on unless false. */
  indirect?: boolean;
}

export interface DeviceModel {
  /** Device type, section 5. */
  type: number;
  kind: "block" | "console" | "entropy";
  /** Feature bits of this kind of device; the common ones are added. */
  features: readonly bigint[];
  queues: readonly QueueModel[];
  config: readonly ConfigField[];
}

/** The status bits that are the driver's to set, 2.1 (SUSPEND comes with a feature that we do not offer). */
const DRIVER_BITS =
  Status.ACKNOWLEDGE | Status.DRIVER | Status.DRIVER_OK | Status.FEATURES_OK | Status.FAILED;

/**
 * A virtio device (virtio 1.3, 2): status, features, queues, configuration space and reset, in front of which any
 * transport can stand. A model extends it with `process` and knows nothing of addresses, rings or interrupts.
 */
export abstract class VirtioDevice implements QueueOwner {
  readonly type: number;
  readonly kind: DeviceModel["kind"];
  readonly queues: readonly Virtqueue[];
  readonly config: ConfigSpace;
  /** Feature bits offered to the driver (2.2). */
  readonly offered: bigint;

  /** Names the device in events and messages, for example `blk home`. Set when it is put into a machine. */
  name: string;
  observer: Observer | undefined;
  /** The driver's mistakes since power-on; the newest is in `lastViolation`. */
  violations = 0;
  lastViolation: Violation | undefined;
  /** Register accesses since power-on, each of them an exit from the guest. */
  accesses = 0;
  /** Told of every mistake of the driver, whether or not an observer listens. */
  onViolation: ((violation: Violation) => void) | undefined;
  /** Told after each change of the status byte. */
  onStatus: ((status: number) => void) | undefined;

  #memory: GuestMemory | undefined;
  #interrupts: Interrupts | undefined;
  #status = 0;
  #accepted = 0n;
  #generation = 0;
  #busMaster = true;

  constructor(model: DeviceModel, options: DeviceOptions = {}) {
    this.type = model.type;
    this.kind = model.kind;
    this.name = model.kind;
    this.queues = model.queues.map((queue, index) => new Virtqueue(this, index, queue));
    this.config = new ConfigSpace(model.config);
    const common: bigint[] = [Feature.common.VERSION_1];
    if (options.eventIdx !== false) common.push(Feature.common.EVENT_IDX);
    if (options.indirect !== false) common.push(Feature.common.INDIRECT_DESC);
    this.offered = [...model.features, ...common].reduce((set, bit) => set | (1n << bit), 0n);
  }

  /** Handles what waits in a queue: takes chains until there are none or the device is busy, and puts them back. */
  protected abstract process(queue: Virtqueue): void;

  /** The driver is ready: DRIVER_OK was set. */
  protected onReady(): void {
    // Most devices wait for a kick.
  }

  /** The device was reset: forget what belongs to the driver. */
  protected onReset(): void {
    // Most devices keep nothing between requests.
  }

  /** The driver wrote a field of the configuration space. */
  protected onConfigWrite(_field: string): void {
    // Most configuration spaces are read-only.
  }

  /** Puts the device behind a transport, in front of a guest's memory. Done again for each CPU (after a reset). */
  connect(memory: GuestMemory, interrupts: Interrupts): void {
    this.reset();
    this.#memory = memory;
    this.#interrupts = interrupts;
    this.#busMaster = true;
  }

  /**
   * Whether the bus lets the device reach guest memory (PCI's bus master enable). Without it queues wait. What is in flight
   * when it is taken away gets lost, as the writes of any other PCI function would: a guest that does so without a reset
   * (kexec) has other plans with that memory.
   */
  setBusMaster(enabled: boolean): void {
    if (this.#busMaster === enabled) return;
    this.#busMaster = enabled;
    for (const queue of this.queues) {
      if (enabled) this.#run(queue);
      else queue.abandon();
    }
  }

  /** Ends the device's part in a machine: closes what it holds open. */
  dispose(): void {
    this.reset();
  }

  // ---- what the transports call ----

  get status(): number {
    return this.#status;
  }

  /** Features that the driver accepted; final once FEATURES_OK is set. */
  get negotiated(): bigint {
    return this.#accepted;
  }

  has(bit: bigint): boolean {
    return ((this.#accepted >> bit) & 1n) === 1n;
  }

  get live(): boolean {
    return (this.#status & (Status.DRIVER_OK | Status.DEVICE_NEEDS_RESET)) === Status.DRIVER_OK;
  }

  /** Changes when the configuration space does (2.5), modulo 256. */
  get generation(): number {
    return this.#generation;
  }

  /** A write to the device status field (2.1). 0 resets. */
  writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const before = this.#status;
    if (before & ~value & ~Status.DEVICE_NEEDS_RESET) {
      this.violation("2.1.1", `status 0x${value.toString(16)} clears a bit of 0x${before.toString(16)}`);
    }
    if (value & ~(DRIVER_BITS | Status.DEVICE_NEEDS_RESET)) {
      this.violation("2.1", `status 0x${value.toString(16)} has bits that mean nothing to this device`);
    }
    let status = before | (value & DRIVER_BITS);
    const newly = status & ~before;
    if (newly & Status.FEATURES_OK && !this.#featuresAcceptable()) status &= ~Status.FEATURES_OK;
    if (newly & Status.DRIVER_OK && !(status & Status.FEATURES_OK)) {
      this.violation("3.1.1", "DRIVER_OK without FEATURES_OK");
      status &= ~Status.DRIVER_OK;
    }
    this.#setStatus(status);
    if (newly & status & Status.DRIVER_OK) {
      this.onReady();
      for (const queue of this.queues) this.#run(queue);
    }
  }

  /** 32 bits of the driver's feature word number `word` (2.2). */
  writeFeatures(word: number, value: number): void {
    if (this.#status & Status.FEATURES_OK) {
      this.violation("2.2.1", "features written after FEATURES_OK");
      return;
    }
    if (word > 1) return;
    const shift = BigInt(32 * word);
    this.#accepted = (this.#accepted & ~(0xffffffffn << shift)) | (BigInt(value >>> 0) << shift);
  }

  /** Starts a queue with what the driver set (4.1.5.1.3, 4.2.3.2). */
  enableQueue(queue: Virtqueue): void {
    if (queue.enabled || !this.#memory) return;
    if (!(this.#status & Status.FEATURES_OK)) {
      this.violation("3.1.1", `queue ${queue.index} enabled before FEATURES_OK`, queue.index);
      return;
    }
    const features = {
      eventIdx: this.has(Feature.common.EVENT_IDX),
      indirect: this.has(Feature.common.INDIRECT_DESC),
    };
    const complaint = queue.enable(this.#memory, features, (rule, what) =>
      this.fatal(rule, what, queue.index),
    );
    if (complaint) this.fatal("2.7", complaint, queue.index);
    this.observer?.({
      type: "queue",
      device: this.name,
      queue: queue.index,
      size: queue.size,
      enabled: queue.enabled,
    });
  }

  /** An available buffer notification (2.3): the doorbell of a queue. */
  kick(index: number): void {
    const queue = this.queues[index];
    this.observer?.({ type: "kick", device: this.name, queue: index });
    if (!queue?.enabled) {
      this.violation(
        "2.3",
        `a kick of queue ${index}, which ${queue ? "is not enabled" : "does not exist"}`,
        index,
      );
      return;
    }
    queue.counters.kicks++;
    if (this.#status & Status.DRIVER_OK) this.#run(queue);
    else this.violation("3.1.1", `a kick of queue ${index} before DRIVER_OK`, index);
  }

  /** A driver's write into the configuration space (2.5). */
  writeConfig(offset: number, width: number, value: number): void {
    const field = this.config.write(offset, width, value);
    if (field) this.onConfigWrite(field.name);
    else this.violation("2.5.1", `a write of ${width} bytes to read-only configuration at offset ${offset}`);
  }

  /** Device reset (2.4): nothing in flight reaches the guest any more. */
  reset(): void {
    for (const queue of this.queues) queue.reset();
    this.#accepted = 0n;
    if (this.#status !== 0) {
      this.#setStatus(0);
      this.observer?.({ type: "reset", device: this.name });
    }
    this.onReset();
  }

  // ---- what device models call ----

  /** Processes a queue outside a kick: input arrived, or the backend has room again. */
  protected poll(queue: Virtqueue): void {
    this.#run(queue);
  }

  /** The configuration space changed: new generation, configuration interrupt (2.5, 3.2.1). */
  protected configChanged(): void {
    this.#generation = (this.#generation + 1) & 0xff;
    this.#notifyConfig();
  }

  /** The driver broke a sentence of the specification: reported; the device goes on. */
  violation(rule: string, what: string, queue?: number): void {
    const violation: Violation = { rule, what, queue };
    this.violations++;
    this.lastViolation = violation;
    this.onViolation?.(violation);
    this.observer?.({ type: "violation", device: this.name, violation });
  }

  /** A violation after which the device cannot go on: DEVICE_NEEDS_RESET and a configuration interrupt (2.1.2). */
  fatal(rule: string, what: string, queue?: number): void {
    this.violation(rule, what, queue);
    if (this.#status & Status.DEVICE_NEEDS_RESET) return;
    this.#setStatus(this.#status | Status.DEVICE_NEEDS_RESET);
    this.#notifyConfig();
  }

  // ---- what queues call ----

  taken(queue: Virtqueue, chain: DescriptorChain): void {
    this.observer?.({
      type: "chain",
      device: this.name,
      queue: queue.index,
      head: chain.head,
      readable: chain.reader.total,
      writable: chain.writer.total,
    });
  }

  returned(queue: Virtqueue, chain: DescriptorChain, written: number): void {
    this.observer?.({ type: "used", device: this.name, queue: queue.index, head: chain.head, written });
  }

  published(queue: Virtqueue, interrupt: boolean): void {
    this.observer?.({
      type: "interrupt",
      device: this.name,
      cause: "queue",
      queue: queue.index,
      suppressed: !interrupt,
    });
    if (interrupt) this.#interrupts?.queue(queue.index);
  }

  // ---- inside ----

  readonly #process = (queue: Virtqueue): void => this.process(queue);

  #run(queue: Virtqueue): void {
    if (this.live && this.#busMaster) queue.run(this.#process);
  }

  #notifyConfig(): void {
    if (!(this.#status & Status.DRIVER_OK)) return;
    this.observer?.({ type: "interrupt", device: this.name, cause: "config", queue: -1, suppressed: false });
    this.#interrupts?.config();
  }

  #featuresAcceptable(): boolean {
    const unknown = this.#accepted & ~this.offered;
    let refused: string | undefined;
    if (unknown !== 0n) refused = `the driver accepted bits that were not offered: 0x${unknown.toString(16)}`;
    else if (!this.has(Feature.common.VERSION_1)) refused = "the driver did not accept VIRTIO_F_VERSION_1";
    if (refused) this.violation(unknown !== 0n ? "2.2.1" : "6.1", refused);
    this.observer?.({ type: "features", device: this.name, negotiated: this.#accepted, refused });
    return refused === undefined;
  }

  #setStatus(status: number): void {
    const from = this.#status;
    this.#status = status;
    this.observer?.({ type: "status", device: this.name, from, to: status });
    this.onStatus?.(status);
  }
}
