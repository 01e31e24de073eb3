import type { Auditor } from "./auditor.ts";
import { ConfigSpace, type ConfigField } from "./config-space.ts";
import type { Gate } from "./gate.ts";
import type { GuestMemory } from "./memory.ts";
import type { Observer, Violation } from "./observer.ts";
import { type QueueModel, type QueueOwner, Virtqueue } from "./queue.ts";
import type { DescriptorChain } from "./ring/chain.ts";
import type { Fault, RingFeatures } from "./ring/ring.ts";
import { type DeviceKind, Feature, featureNames, Status } from "./spec.ts";
import type { Rule } from "./strict/sentences.ts";
import type { NamedValue, RegisterView } from "./view/types.ts";

/** What a transport gives a device: how to interrupt the driver (2.3). */
export interface Interrupts {
  queue(index: number): void;
  config(): void;
  /** Feature bits that this transport has no registers for: they are not offered behind it (2.2). */
  readonly withheld?: bigint;
  /** The transport's registers as they are; nothing changes by it. */
  look?(): RegisterView[];
}

export interface DeviceOptions {
  /** Offer VIRTIO_F_EVENT_IDX; on unless false. */
  eventIdx?: boolean;
  /** Offer VIRTIO_F_INDIRECT_DESC; on unless false. */
  indirect?: boolean;
  /** Offer VIRTIO_F_RING_RESET; on unless false. */
  ringReset?: boolean;
  /** Offer VIRTIO_F_RING_PACKED. */
  packed?: boolean;
  /** Offer VIRTIO_F_IN_ORDER. */
  inOrder?: boolean;
  /** Offer VIRTIO_F_NOTIFICATION_DATA. */
  notificationData?: boolean;
  /** Offer VIRTIO_F_NOTIF_CONFIG_DATA, on transports that have it. */
  notifConfigData?: boolean;
}

export interface DeviceModel {
  /** Device type, section 5. */
  type: number;
  kind: DeviceKind;
  /** Feature bits of this kind of device; the common ones are added. */
  features: readonly bigint[];
  queues: readonly QueueModel[];
  config: readonly ConfigField[];
  /** Which of them need another one: with each the bits of which at least one has to be there, too (2.2). */
  requires?: readonly (readonly [bit: bigint, oneOf: readonly bigint[]])[];
}

/** The status bits that are the driver's to set, 2.1 (SUSPEND comes with a feature that we do not offer). */
const DRIVER_BITS =
  Status.ACKNOWLEDGE | Status.DRIVER | Status.DRIVER_OK | Status.FEATURES_OK | Status.FAILED;

/** A legacy interface has the first 32 feature bits (4.1.4.10, 4.2.4), two of them of its own (6.3). */
const LEGACY_WORD = 0xffffffffn;
const LEGACY_FEATURES = mask([Feature.common.ANY_LAYOUT, Feature.common.UNUSED]);

/**
 * A virtio device (virtio 1.3, 2): status, features, queues, configuration space and reset, in front of which any
 * transport can stand. A model extends it with `process` and knows nothing of addresses, rings or interrupts.
 */
export abstract class VirtioDevice implements QueueOwner {
  readonly type: number;
  readonly kind: DeviceModel["kind"];
  readonly queues: readonly Virtqueue[];
  readonly config: ConfigSpace;

  /** Names the device in events and messages, for example `blk home`. Set when it is put into a machine. */
  name: string;
  observer: Observer | undefined;
  /** Strict mode: sees what the device itself does not look at. */
  auditor: Auditor | undefined;
  /** The driver's mistakes since power-on; the newest is in `lastViolation`. */
  violations = 0;
  lastViolation: Violation | undefined;
  /** Register accesses since power-on, each of them an exit from the guest. */
  accesses = 0;
  /** Told of every mistake of the driver, whether or not an observer listens. */
  onViolation: ((violation: Violation) => void) | undefined;
  /** Told after each change of the status byte. */
  onStatus: ((status: number) => void) | undefined;

  readonly #features: bigint;
  readonly #requires: NonNullable<DeviceModel["requires"]>;
  #legacy = false;
  #memory: GuestMemory | undefined;
  #interrupts: Interrupts | undefined;
  #status = 0;
  #accepted = 0n;
  #notificationData = false;
  #generation = 0;
  #generationRead = false;
  #busMaster = true;
  #gate: Gate | undefined;
  /** The gate holds a configuration interrupt. */
  #configHeld = false;

  constructor(model: DeviceModel, options: DeviceOptions = {}) {
    this.type = model.type;
    this.kind = model.kind;
    this.name = model.kind;
    this.queues = model.queues.map((queue, index) => new Virtqueue(this, index, queue));
    this.config = new ConfigSpace(model.config);
    this.#features = mask([...model.features, ...commonFeatures(options)]);
    this.#requires = model.requires ?? [];
  }

  /** Handles what waits in a queue: takes chains until there are none or the device is busy, and puts them back. */
  protected abstract process(queue: Virtqueue): void;

  /** The features that the driver accepts are known: FEATURES_OK was set, or a legacy driver wrote some of them. */
  protected onFeatures(): void {
    // Most devices look at them when it matters.
  }

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
    this.auditor?.connected();
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

  /** Holds what the device does to the guest while that stands still; none unless given. */
  get gate(): Gate | undefined {
    return this.#gate;
  }

  set gate(gate: Gate | undefined) {
    this.#gate = gate;
    for (const queue of this.queues) queue.gate = gate;
  }

  // ---- what the transports call ----

  /** Feature bits offered to the driver (2.2). */
  get offered(): bigint {
    if (this.#legacy) return (this.#features & LEGACY_WORD) | LEGACY_FEATURES;
    return this.#features & ~(this.#interrupts?.withheld ?? 0n);
  }

  /**
   * The driver talks to the device through a legacy interface (2.2.3): features below bit 32 only and no FEATURES_OK
   * (3.1.2), queues that run before DRIVER_OK, split rings in one piece (2.7.2, see `Virtqueue.place`).
   */
  get legacy(): boolean {
    return this.#legacy;
  }

  /** A transport says whether it is used as a legacy interface. Stays as it is over resets. */
  setLegacy(legacy: boolean): void {
    this.#legacy = legacy;
  }

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

  /** The device may use its queues. A legacy driver may start before DRIVER_OK (3.1.2). */
  get live(): boolean {
    const relevant = this.#status & (Status.DRIVER_OK | Status.DEVICE_NEEDS_RESET | Status.FAILED);
    return relevant === Status.DRIVER_OK || (this.#legacy && relevant === 0);
  }

  /** A kick brings the driver's position in the ring with it (2.9): VIRTIO_F_NOTIFICATION_DATA. */
  get notificationData(): boolean {
    return this.#notificationData;
  }

  /**
   * Another number than at the last read if the configuration space has changed since (2.5, 4.1.4.3.1, 4.2.2.1), modulo 256.
   * It goes on by at most one between two reads, so that it cannot come round to what a driver has just seen.
   */
  readGeneration(): number {
    this.#generationRead = true;
    return this.#generation;
  }

  /** The same for those who only look. */
  get generation(): number {
    return this.#generation;
  }

  /** The registers of the transport and the fields of the configuration space as they are; nothing changes by it. */
  look(): RegisterView[] {
    return [...(this.#interrupts?.look?.() ?? []), ...this.config.look()];
  }

  /** What stands behind the device and what it has done, in words and numbers for people. Called often: cheap. */
  state(): NamedValue[] {
    return [];
  }

  /** A shared memory region of the device (2.10), in bytes of guest-physical address space; undefined when it has none so numbered. */
  sharedMemory(_id: number): { address: bigint; length: bigint } | undefined {
    return undefined;
  }

  /** A write to the device status field (2.1). 0 resets. */
  writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const before = this.#status;
    const asked = this.#driverBits(before, value);
    const newly = asked & ~before;
    let status = before | asked;
    if (newly & Status.FEATURES_OK && !this.#featuresAcceptable()) status &= ~Status.FEATURES_OK;
    if (newly & Status.DRIVER_OK && !(status & Status.FEATURES_OK) && !this.#legacy) {
      this.violation("3.1.1 featuresOk", "DRIVER_OK without FEATURES_OK");
      status &= ~Status.DRIVER_OK;
    }
    this.#setStatus(status);
    if (newly & status & Status.FEATURES_OK) this.onFeatures();
    if (newly & Status.FAILED) for (const queue of this.queues) queue.stop();
    if (newly & status & Status.DRIVER_OK) {
      this.onReady();
      for (const queue of this.queues) this.#run(queue);
    }
  }

  /** 32 bits of the driver's feature word number `word` (2.2). */
  writeFeatures(word: number, value: number): void {
    if (this.#status & Status.FEATURES_OK) {
      this.violation("3.1.1 late", "features written after FEATURES_OK");
      return;
    }
    // 6: no bit above 127 means anything. Those share one word, so that accepting any of them shows.
    const shift = BigInt(32 * Math.min(word, 4));
    this.#accepted = (this.#accepted & ~(0xffffffffn << shift)) | (BigInt(value >>> 0) << shift);
    this.#notificationData = this.has(Feature.common.NOTIFICATION_DATA);
    if (!this.#legacy) return;
    this.#acceptLegacy();
    this.onFeatures();
  }

  /** What is wrong with a size that the driver chose for a queue (2.7, 2.8); undefined when it can be used. */
  queueSizeFault(queue: Virtqueue, size: number): Fault | undefined {
    const { maximumSize } = queue;
    const packed = this.has(Feature.common.RING_PACKED);
    if (size > 0 && size <= maximumSize && (packed || (size & (size - 1)) === 0)) return undefined;
    const wanted = packed ? `a number from 1 to ${maximumSize}` : `a power of two up to ${maximumSize}`;
    return { rule: packed ? "2.8.10.1 size" : "2.7 size", what: `queue size ${size}, not ${wanted}` };
  }

  /** Starts a queue with what the driver set (4.1.5.1.3, 4.2.3.2). */
  enableQueue(queue: Virtqueue): void {
    if (queue.enabled || !this.#memory) return;
    if (!(this.#status & Status.FEATURES_OK) && !this.#legacy) {
      this.violation("3.1.1 setup", `queue ${queue.index} enabled before FEATURES_OK`, queue.index);
      return;
    }
    const { RING_PACKED, EVENT_IDX, INDIRECT_DESC, IN_ORDER } = Feature.common;
    const features: RingFeatures = {
      packed: this.has(RING_PACKED),
      eventIdx: this.has(EVENT_IDX),
      indirect: this.has(INDIRECT_DESC),
      inOrder: this.has(IN_ORDER),
    };
    const complaint = queue.enable(
      this.#memory,
      features,
      (rule, what, descriptor) => this.fatal(rule, what, queue.index, descriptor),
      this.auditor?.enabling(queue, this.#memory, features),
    );
    if (complaint) this.fatal(complaint.rule, complaint.what, queue.index);
    this.#queueChanged(queue);
    // After a reset of this queue alone (2.6.1.2) buffers may wait in it already.
    this.#run(queue);
  }

  /**
   * Resets one queue (2.6.1) as VIRTIO_F_RING_RESET lets the driver: nothing of what is in flight is executed or reaches the
   * guest any more, and everything that was set for the queue is forgotten. It can be set up and enabled again at once.
   */
  resetQueue(queue: Virtqueue): void {
    if (this.has(Feature.common.RING_RESET)) this.disableQueue(queue);
    else
      this.violation(
        "2.6.1 negotiated",
        `queue ${queue.index} reset without VIRTIO_F_RING_RESET`,
        queue.index,
      );
  }

  /** The same where a driver needs no feature for it: QueueReady or QueuePFN written with 0 (4.2.2, 4.2.4). */
  disableQueue(queue: Virtqueue): void {
    queue.reset();
    this.#queueChanged(queue);
  }

  /**
   * An available buffer notification (2.3): the doorbell of queue `index`. `next` is what VIRTIO_F_NOTIFICATION_DATA adds
   * (2.9): next_off in bits 0 to 14, next_wrap in bit 15. The device looks into the ring in any case.
   */
  kick(index: number, next?: number): void {
    const queue = this.queues[index];
    this.observer?.({ type: "kick", device: this.name, queue: index });
    if (!queue?.enabled) {
      this.violation(
        "2.3 kick",
        `a kick of queue ${index}, which ${queue ? "is not enabled" : "does not exist"}`,
        index,
      );
      return;
    }
    queue.counters.kicks++;
    if (next !== undefined && this.#notificationData) this.#checkNotification(queue, next);
    if (this.#legacy || this.#status & Status.DRIVER_OK) this.#run(queue);
    else this.violation("3.1.1 kick", `a kick of queue ${index} before DRIVER_OK`, index);
  }

  /** A driver's write into the configuration space (2.5). */
  writeConfig(offset: number, width: number, value: number): void {
    const field = this.config.write(offset, width, value, this.#legacy);
    if (field) this.onConfigWrite(field.name);
    else
      this.violation(
        "2.5.1 readOnly",
        `a write of ${width} bytes to read-only configuration at offset ${offset}`,
      );
  }

  /** Device reset (2.4): nothing in flight reaches the guest any more. */
  reset(): void {
    for (const queue of this.queues) queue.reset();
    this.#accepted = 0n;
    this.#notificationData = false;
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
    if (this.#generationRead) this.#generation = (this.#generation + 1) & 0xff;
    this.#generationRead = false;
    this.#notifyConfig();
  }

  /** The driver broke a sentence of the specification: reported; the device goes on. */
  violation(sentence: Rule, what: string, queue?: number, descriptor?: number): void {
    const rule = sentence.slice(0, sentence.indexOf(" "));
    const violation: Violation = { rule, sentence, what, queue, descriptor };
    this.violations++;
    this.lastViolation = violation;
    this.onViolation?.(violation);
    this.observer?.({ type: "violation", device: this.name, violation });
  }

  /** A violation after which the device cannot go on: DEVICE_NEEDS_RESET and a configuration interrupt (2.1.2). */
  fatal(sentence: Rule, what: string, queue?: number, descriptor?: number): void {
    this.violation(sentence, what, queue, descriptor);
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
      chain,
    });
  }

  returned(queue: Virtqueue, chain: DescriptorChain, written: number): void {
    this.observer?.({
      type: "used",
      device: this.name,
      queue: queue.index,
      head: chain.head,
      written,
      chain,
    });
  }

  published(queue: Virtqueue, interrupt: boolean): void {
    this.observer?.({
      type: "interrupt",
      device: this.name,
      cause: "queue",
      queue: queue.index,
      suppressed: !interrupt,
    });
  }

  interrupt(queue: Virtqueue): void {
    this.#interrupts?.queue(queue.index);
  }

  runAgain(queue: Virtqueue): void {
    this.#run(queue);
  }

  // ---- inside ----

  readonly #process = (queue: Virtqueue): void => this.process(queue);

  #run(queue: Virtqueue): void {
    if (this.live && this.#busMaster) queue.run(this.#process);
  }

  /** The bits of a write to the status field that the driver may set now (2.1). */
  #driverBits(before: number, value: number): number {
    const hex = (bits: number): string => `0x${bits.toString(16)}`;
    if (before & ~value & ~Status.DEVICE_NEEDS_RESET) {
      this.violation("2.1.1 clear", `status ${hex(value)} clears a bit of ${hex(before)}`);
    }
    // A legacy interface has no FEATURES_OK (3.1.2).
    const known = this.#legacy ? DRIVER_BITS & ~Status.FEATURES_OK : DRIVER_BITS;
    if (value & ~(known | Status.DEVICE_NEEDS_RESET)) {
      this.violation("2.1 bits", `status ${hex(value)} has bits that mean nothing to this device`);
    }
    const newly = value & known & ~before;
    if (newly !== 0 && before & Status.FAILED) {
      this.violation("2.1.1 failed", `status ${hex(value)} goes on after FAILED, without a reset`);
      return 0;
    }
    const all = before | newly;
    if (newly & Status.DRIVER && !(all & Status.ACKNOWLEDGE)) {
      this.violation("3.1.1 order", "DRIVER without ACKNOWLEDGE");
    }
    if (newly & Status.FEATURES_OK && !(all & Status.DRIVER)) {
      this.violation("3.1.1 order", "FEATURES_OK without DRIVER");
    }
    return newly;
  }

  #checkNotification(queue: Virtqueue, next: number): void {
    const fault = queue.notificationFault(next);
    if (!fault) return;
    this.violation(
      this.has(Feature.common.RING_PACKED) ? "2.8.16 notification" : "2.9 notification",
      fault,
      queue.index,
    );
  }

  #queueChanged({ index, size, enabled }: Virtqueue): void {
    this.observer?.({ type: "queue", device: this.name, queue: index, size, enabled });
  }

  #notifyConfig(): void {
    if (!(this.#status & Status.DRIVER_OK)) return;
    const gate = this.#gate;
    if (gate?.closed) {
      if (this.#configHeld) return;
      this.#configHeld = true;
      gate.hold(() => {
        this.#configHeld = false;
        this.#notifyConfig();
      });
      return;
    }
    this.observer?.({ type: "interrupt", device: this.name, cause: "config", queue: -1, suppressed: false });
    if (gate?.closed) gate.hold(() => this.#interruptConfig());
    else this.#interrupts?.config();
  }

  #interruptConfig(): void {
    if (this.#status & Status.DRIVER_OK) this.#interrupts?.config();
  }

  /** Nobody asks a legacy device whether it agrees (3.1.2): it takes what it has offered, and leaves the rest. */
  #acceptLegacy(): void {
    if (this.has(Feature.common.UNUSED)) {
      this.#accepted = 0n;
      this.violation("6.3 unused", "the driver accepted bit 30: it takes everything without a look");
      return;
    }
    const unknown = this.#accepted & ~this.offered;
    if (unknown !== 0n) {
      this.#accepted &= this.offered;
      this.violation(
        "2.2.1 offered",
        `the driver accepted bits that were not offered: 0x${unknown.toString(16)}`,
      );
    }
    for (let lone = this.#loneFeature(); lone !== undefined; lone = this.#loneFeature()) {
      this.#accepted &= ~(1n << lone);
      this.violation("2.2.1 requires", this.#loneText(lone));
    }
  }

  /** An accepted feature without the one that it requires. */
  #loneFeature(): bigint | undefined {
    return this.#requires.find(
      ([bit, oneOf]) => this.has(bit) && !oneOf.some((other) => this.has(other)),
    )?.[0];
  }

  #loneText(bit: bigint): string {
    const [name] = featureNames(this.kind, 1n << bit);
    const needed = this.#requires.find(([wanting]) => wanting === bit)![1];
    const names = featureNames(this.kind, mask(needed)).join(" or ");
    return `the driver accepted ${name} without ${names}`;
  }

  #featuresAcceptable(): boolean {
    const unknown = this.#accepted & ~this.offered;
    const lone = this.#loneFeature();
    let refused: string | undefined;
    let rule: Rule = "2.2.1 offered";
    if (unknown !== 0n) refused = `the driver accepted bits that were not offered: 0x${unknown.toString(16)}`;
    else if (!this.has(Feature.common.VERSION_1)) {
      rule = "6.1 version1";
      refused = "the driver did not accept VIRTIO_F_VERSION_1";
    } else if (lone !== undefined) {
      rule = "2.2.1 requires";
      refused = this.#loneText(lone);
    }
    if (refused) this.violation(rule, refused);
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

/** The features of every device, as its options say (6). */
function commonFeatures(options: DeviceOptions): bigint[] {
  const { VERSION_1, EVENT_IDX, INDIRECT_DESC, RING_RESET } = Feature.common;
  const { RING_PACKED, IN_ORDER, NOTIFICATION_DATA, NOTIF_CONFIG_DATA } = Feature.common;
  const wanted: [bit: bigint, on: boolean | undefined][] = [
    [VERSION_1, true],
    [EVENT_IDX, options.eventIdx !== false],
    [INDIRECT_DESC, options.indirect !== false],
    [RING_RESET, options.ringReset !== false],
    [RING_PACKED, options.packed],
    [IN_ORDER, options.inOrder],
    [NOTIFICATION_DATA, options.notificationData],
    [NOTIF_CONFIG_DATA, options.notifConfigData],
  ];
  return wanted.filter(([, on]) => on).map(([bit]) => bit);
}

function mask(bits: readonly bigint[]): bigint {
  return bits.reduce((set, bit) => set | (1n << bit), 0n);
}
