import type { Auditor } from "../auditor.ts";
import { BlockDevice } from "../block.ts";
import { ConsoleDevice } from "../console.ts";
import type { VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../memory.ts";
import { NetDevice } from "../net.ts";
import type { VirtioEvent } from "../observer.ts";
import type { QueueAuditor, Virtqueue } from "../queue.ts";
import type { RingFeatures } from "../ring/ring.ts";
import { Descriptor, RingEvent } from "../spec.ts";
import { BlockRequests } from "./block.ts";
import { Buffers, type RequestAudit } from "./buffers.ts";
import { checkConfiguration } from "./configuration.ts";
import { ConsoleRequests } from "./console.ts";
import { NetRequests } from "./net.ts";
import { PackedAudit } from "./packed.ts";
import type { Bus } from "./register-roles.ts";
import { RegisterAudit } from "./registers.ts";
import type { Report } from "./report.ts";
import { SplitAudit } from "./split.ts";
import { WidthAudit } from "./widths.ts";

/**
 * Strict mode of a device: from now on whatever virtio 1.3 demands of a driver and a device can see is checked
 * (./sentences.ts has the list), and each breach is a violation of the device, once for each sentence and queue until the
 * next power-on. The driver's accesses come through the device's observer; one that is there goes on hearing everything.
 * Call it before the device is connected.
 */
export function watchStrictly(device: VirtioDevice, bus: Bus): void {
  const auditor = new StrictAuditor(device, bus);
  const { observer } = device;
  device.auditor = auditor;
  device.observer = (event) => {
    auditor.observe(event);
    observer?.(event);
  };
}

class StrictAuditor implements Auditor {
  readonly #device: VirtioDevice;
  readonly #bus: Bus;
  readonly #registers: RegisterAudit;
  readonly #widths: WidthAudit;
  readonly #requests: RequestAudit | undefined;
  readonly #reported = new Set<string>();
  readonly #report: Report = (rule, what, queue, descriptor) => {
    const key = `${rule} ${queue ?? ""}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#device.violation(rule, what, queue, descriptor);
  };

  constructor(device: VirtioDevice, bus: Bus) {
    this.#device = device;
    this.#bus = bus;
    this.#registers = new RegisterAudit(device, bus, this.#report);
    this.#widths = new WidthAudit(device, bus, this.#report);
    if (device instanceof BlockDevice) this.#requests = new BlockRequests(device, this.#report);
    else if (device instanceof ConsoleDevice) this.#requests = new ConsoleRequests(device, this.#report);
    else if (device instanceof NetDevice) this.#requests = new NetRequests(device, this.#report);
  }

  observe(event: VirtioEvent): void {
    if (event.type === "access") {
      this.#registers.access(event);
      this.#widths.access(event);
      checkConfiguration(this.#device, this.#bus, this.#report, event);
    } else if (event.type === "reset") this.#requests?.reset();
  }

  connected(): void {
    this.#reported.clear();
    this.#registers.connected();
    this.#requests?.reset();
  }

  enabling(queue: Virtqueue, memory: GuestMemory, features: RingFeatures): QueueAuditor | undefined {
    this.#registers.enabling(queue);
    const { index, size, counters } = queue;
    const parts = features.packed ? packedParts(queue) : splitParts(queue, features);
    // What does not lie in memory, or is misaligned, the ring refuses.
    const end = BigInt(memory.size);
    if (parts.some(({ start, bytes, align }) => start + BigInt(bytes) > end || start % align !== 0n)) {
      return undefined;
    }
    this.#checkApart(parts, features.packed, index);
    const [descriptors, available, used] = parts.map(({ start }) => Number(start)) as [
      number,
      number,
      number,
    ];
    const before = counters.chains;
    const buffers = new Buffers(memory, queue.maximumSize);
    const Audit = features.packed ? PackedAudit : SplitAudit;
    return new Audit({
      memory,
      size,
      descriptors,
      available,
      used,
      eventIdx: features.eventIdx,
      inOrder: features.inOrder,
      taken: () => counters.chains - before,
      report: (rule, what, descriptor) => this.#report(rule, what, index, descriptor),
      buffers,
      exposed: (head) => this.#requests?.exposed(index, buffers, head),
    });
  }

  #checkApart(parts: readonly Part[], packed: boolean, queue: number): void {
    const sorted = [...parts].sort((a, b) => Number(a.start - b.start));
    sorted.forEach((part, i) => {
      const next = sorted[i + 1];
      // An address that was never set is reported as that.
      if (!next || part.start === 0n || part.start + BigInt(part.bytes) <= next.start) return;
      this.#report(packed ? "2.8 apart" : "2.7 apart", `the ${part.name} runs into the ${next.name}`, queue);
    });
  }
}

interface Part {
  name: string;
  start: bigint;
  bytes: number;
  align: bigint;
}

/** 2.7 */
function splitParts({ size, descriptors, available, used }: Virtqueue, { eventIdx }: RingFeatures): Part[] {
  const event = eventIdx ? 2 : 0;
  return [
    { name: "descriptor table", start: descriptors, bytes: Descriptor.BYTES * size, align: 16n },
    { name: "available ring", start: available, bytes: 4 + 2 * size + event, align: 2n },
    { name: "used ring", start: used, bytes: 4 + 8 * size + event, align: 4n },
  ];
}

/** 2.8.10.1 */
function packedParts({ size, descriptors, available, used }: Virtqueue): Part[] {
  return [
    { name: "descriptor ring", start: descriptors, bytes: Descriptor.BYTES * size, align: 16n },
    { name: "driver event suppression", start: available, bytes: RingEvent.BYTES, align: 4n },
    { name: "device event suppression", start: used, bytes: RingEvent.BYTES, align: 4n },
  ];
}
