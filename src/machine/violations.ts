import type { VirtioDevice } from "../virtio/device.ts";
import type { Violation } from "../virtio/observer.ts";
import { SENTENCES } from "../virtio/strict/sentences.ts";

/** A sentence of virtio 1.3 that a guest's driver broke, where it was seen first. */
export interface DriverViolation extends Violation {
  /** The device's name, for example `blk home`. */
  device: string;
  /** What the sentence demands, in our words; whether the specification says MUST. */
  demands: string;
  must: boolean;
  /** All of it for a person, in whole sentences. */
  text: string;
}

/** Keeps each violation once for each sentence, device and queue: a driver in a loop shall not flood anybody. */
export class ViolationLog {
  readonly #seen = new Map<string, DriverViolation>();

  /** In the order in which they were seen. */
  get all(): readonly DriverViolation[] {
    return [...this.#seen.values()];
  }

  /** Returns the violation for whoever reports it when it is a new one. */
  add(device: VirtioDevice, violation: Violation): DriverViolation | undefined {
    const key = `${device.name}/${violation.sentence}/${violation.queue}`;
    if (this.#seen.has(key)) return undefined;
    const { demands, must } = SENTENCES[violation.sentence];
    const full = {
      ...violation,
      device: device.name,
      demands,
      must,
      text: describe(device, violation, demands),
    };
    this.#seen.set(key, full);
    return full;
  }
}

function describe(
  device: VirtioDevice,
  { rule, what, queue, descriptor }: Violation,
  demands: string,
): string {
  const where: string[] = [];
  if (queue !== undefined) {
    const name = device.queues[queue]?.name;
    where.push(`queue ${queue}${name === undefined ? "" : ` ${name}`}`);
  }
  if (descriptor !== undefined) where.push(`descriptor ${descriptor}`);
  const place = where.length > 0 ? ` (${where.join(", ")})` : "";
  return `The guest's driver of ${device.name} broke virtio 1.3, section ${rule}${place}: ${what}. ${demands}`;
}
