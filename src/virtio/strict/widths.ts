import type { VirtioDevice } from "../device.ts";
import type { VirtioEvent } from "../observer.ts";
import { commonRegisters } from "../transport/pci-common.ts";
import type { Bus } from "./register-roles.ts";
import type { Report } from "./report.ts";
import type { Rule } from "./sentences.ts";

type Access = Extract<VirtioEvent, { type: "access" }>;

/** What a driver accesses: a field of `width` bytes, of which the access begins at byte `at`. */
interface Target {
  rule: Rule;
  width: number;
  at: number;
}

const PREFIX = "config.";

/**
 * Fields are accessed as wide as they are (4.1.3.1, 4.2.2.2), 64 bits in two halves. What the transports report already is
 * left out. A read of 16 bits may come as two of 8 bits, one right after the other: v86 hands it over like that, so that a
 * driver that really does it cannot be told from one that does not.
 */
export class WidthAudit {
  readonly #device: VirtioDevice;
  readonly #bus: Bus;
  readonly #report: Report;
  /** The first half of a 16-bit read, if the other one follows; and what it is if not. */
  #half: { register: string; offset: number; rule: Rule; what: string } | undefined;

  constructor(device: VirtioDevice, bus: Bus, report: Report) {
    this.#device = device;
    this.#bus = bus;
    this.#report = report;
  }

  access(event: Access): void {
    const { register, offset, width, write } = event;
    const half = this.#half;
    this.#half = undefined;
    if (half) {
      if (!write && width === 1 && register === half.register && offset === half.offset + 1) return;
      this.#report(half.rule, half.what);
    }
    const target = this.#target(event);
    if (!target || (width === Math.min(target.width, 4) && target.at % width === 0)) return;
    const { rule } = target;
    const what = `${write ? "a write" : "a read"} of ${width} bytes at byte ${target.at} of ${register}, ${target.width} bytes wide`;
    const mayGoOn = !write && width === 1 && target.width === 2 && target.at === 0;
    if (mayGoOn) this.#half = { register, offset, rule, what };
    else this.#report(rule, what);
  }

  #target({ register, offset, width, write }: Access): Target | undefined {
    const device = this.#device;
    if (device.legacy) return undefined;
    if (!register.startsWith(PREFIX)) {
      const common = this.#bus === "pci" && !write ? commonRegisters.at(offset) : undefined;
      if (common?.name !== register) return undefined;
      return { rule: "4.1.3.1 read", width: common.width, at: offset - common.offset };
    }
    const field = device.config.fields.find(({ name }) => name === register.slice(PREFIX.length));
    if (!field) return undefined;
    // Every configuration structure begins at a multiple of 8, and no field is wider.
    const at = (offset - field.offset) & 7;
    if (this.#bus === "pci") return { rule: "4.1.3.1 config", width: field.width, at };
    const reported = write || width !== 1 || field.width !== 2;
    return reported ? undefined : { rule: "4.2.2.2 config", width: field.width, at };
  }
}
