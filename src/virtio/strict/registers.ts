import type { VirtioDevice } from "../device.ts";
import type { VirtioEvent } from "../observer.ts";
import type { Virtqueue } from "../queue.ts";
import { NO_VECTOR, Status } from "../spec.ts";
import { type Bus, ROLES, type Role } from "./register-roles.ts";
import type { Report } from "./report.ts";

type Access = Extract<VirtioEvent, { type: "access" }>;

/**
 * The order in which a driver uses the registers (3.1.1, 4.1.4.3.2, 4.1.5.1.2.2, 4.2.2.2, 4.2.3.1.1). Sees each access: reads
 * after they were made, writes before they take effect. What a driver still owes is remembered until it has done it, or goes
 * on without.
 */
export class RegisterAudit {
  readonly #device: VirtioDevice;
  readonly #bus: Bus;
  readonly #report: Report;
  /** A reset since power-on. */
  #reset = false;
  /** Since the last reset. */
  #offeredRead = false;
  #offeredSelected = false;
  #acceptedSelected = false;
  #selected = 0;
  /** Owed: a read of device status, after a reset, and after FEATURES_OK. */
  #mustWait = false;
  #mustReread = false;
  /** Owed: a read of this register, which maps an event to a vector. */
  #mustVerify: string | undefined;
  /** Owed: a read of QueueReady, which was set to 0. */
  #mustReadBack = false;
  /** Queues of which the reset was not verified yet, and those that were in use before. */
  readonly #resetQueues = new Set<number>();
  readonly #usedBefore = new Set<number>();
  /** Events that the driver has seen in InterruptStatus. */
  #events = 0;
  readonly #identified = { MagicValue: false, Version: false, DeviceID: false };

  constructor(device: VirtioDevice, bus: Bus, report: Report) {
    this.#device = device;
    this.#bus = bus;
    this.#report = report;
  }

  /** Power-on. */
  connected(): void {
    this.#forget();
    this.#reset = this.#mustWait = false;
    Object.assign(this.#identified, { MagicValue: false, Version: false, DeviceID: false });
  }

  access(event: Access): void {
    if (this.#bus === "mmio") this.#checkIdentified(event);
    const role = ROLES.get(event.register);
    if (role === undefined) return;
    if (event.write) this.#written(role, event);
    else this.#wasRead(role, event);
  }

  /** The driver enables a queue. */
  enabling(queue: Virtqueue): void {
    const { index } = queue;
    const missing = (["descriptors", "available", "used"] as const).filter((part) => queue[part] === 0n);
    const again = this.#usedBefore.has(index);
    this.#usedBefore.add(index);
    if (missing.length === 0 || this.#device.legacy) return;
    const first = this.#bus === "pci" ? "4.1.4.3.2 fields" : "4.2.3.2 fields";
    const what = `queue ${index} is enabled without an address of ${missing.join(", ")}`;
    this.#report(again ? "2.6.1.2.2 configure" : first, what, index);
  }

  #written(role: Role, { register, value }: Access): void {
    if (this.#mustVerify !== undefined && register !== this.#mustVerify) {
      this.#report("4.1.5.1.2.2 verify", `${this.#mustVerify} was not read before ${register} was written`);
      this.#mustVerify = undefined;
    }
    switch (role) {
      case "status":
        this.#leavesQueue(register);
        if (value === 0) this.#resetWritten();
        else this.#statusWritten(value);
        break;
      case "offeredSelect":
        this.#offeredSelected = true;
        break;
      case "acceptedSelect":
        this.#acceptedSelected = true;
        break;
      case "accepted":
        this.#featuresWritten(register);
        break;
      case "queueSelect":
        this.#leavesQueue(register);
        this.#selected = value;
        break;
      case "enable":
        this.#enableWritten(value, register);
        break;
      case "queueReset":
        if (this.#device.queues[this.#selected]) this.#resetQueues.add(this.#selected);
        break;
      case "vector":
        if (value !== NO_VECTOR) this.#mustVerify = register;
        break;
      case "acknowledge":
        this.#acknowledged(value);
        break;
      case "sharedMemory":
        this.#checkSharedMemory(register);
        break;
      case "offered":
      case "events":
        break; // read-only
    }
  }

  #wasRead(role: Role, { register, value }: Access): void {
    switch (role) {
      case "status":
        this.#mustReread = false;
        if (value === 0) this.#mustWait = false;
        break;
      case "offered":
        this.#offeredRead = true;
        if (this.#isMmio && !this.#offeredSelected) {
          this.#report(
            "4.2.2.2 deviceSel",
            "DeviceFeatures read, and DeviceFeaturesSel not written since the reset",
          );
        }
        break;
      case "enable":
        this.#mustReadBack = false;
        break;
      case "queueReset":
        if (value === 0) this.#resetQueues.delete(this.#selected);
        break;
      case "vector":
        if (register === this.#mustVerify) this.#mustVerify = undefined;
        break;
      case "events":
        this.#events |= value;
        break;
      case "sharedMemory":
        this.#checkSharedMemory(register);
        break;
      default:
        break; // write-only, or of no consequence
    }
  }

  #resetWritten(): void {
    this.#forget();
    this.#reset = true;
    this.#mustWait = this.#bus === "pci" && !this.#device.legacy;
  }

  #statusWritten(value: number): void {
    if (this.#mustWait) {
      this.#report("4.1.4.3.2 wait", `device_status became 0x${value.toString(16)} before it was read as 0`);
      this.#mustWait = false;
    }
    if (this.#device.legacy) return;
    if (!this.#reset) {
      this.#report("3.1.1 reset", `status 0x${value.toString(16)} without a reset before`);
      this.#reset = true;
    }
    const newly = value & ~this.#device.status;
    if (newly & Status.FEATURES_OK) {
      if (!this.#offeredRead)
        this.#report("3.1.1 read", "FEATURES_OK, and the offered features were not read");
      this.#mustReread = true;
    }
    if (newly & Status.DRIVER_OK) this.#goesOn("DRIVER_OK");
  }

  #featuresWritten(register: string): void {
    if (this.#isMmio && !this.#acceptedSelected) {
      this.#report("4.2.2.2 driverSel", `${register} written, and ${register}Sel not since the reset`);
    }
    if (this.#device.legacy || this.#device.status & Status.DRIVER) return;
    this.#report("3.1.1 features", `features accepted at status 0x${this.#device.status.toString(16)}`);
  }

  #enableWritten(value: number, register: string): void {
    if (value === 0) {
      if (this.#isMmio) this.#mustReadBack = true;
      return;
    }
    this.#leavesQueue(register);
    this.#goesOn(`queue ${this.#selected} enabled`);
    if (!this.#resetQueues.delete(this.#selected)) return;
    this.#report(
      "2.6.1.1.2 verify",
      `queue ${this.#selected} is enabled again, and it was not read whether it is reset`,
      this.#selected,
    );
  }

  /** The driver goes on after FEATURES_OK. */
  #goesOn(what: string): void {
    if (this.#mustReread) this.#report("3.1.1 reread", `${what}, and status was not read after FEATURES_OK`);
    this.#mustReread = false;
  }

  /** The driver does something else than to read QueueReady back. */
  #leavesQueue(register: string): void {
    if (this.#mustReadBack) {
      this.#report(
        "4.2.2.2 readBack",
        `QueueReady was set to 0 and not read before ${register} was written`,
        this.#selected,
      );
    }
    this.#mustReadBack = false;
  }

  #acknowledged(bits: number): void {
    const unseen = bits & 3 & ~this.#events;
    this.#events &= ~bits;
    if (unseen === 0 || !this.#isMmio) return;
    this.#report(
      "4.2.2.2 handled",
      `InterruptACK 0x${bits.toString(16)} without having read that in InterruptStatus`,
    );
  }

  #checkSharedMemory(register: string): void {
    this.#report(
      "4.2.3.1.1 sharedMemory",
      `${register} accessed, and devices of this type have no shared memory`,
    );
  }

  /** 4.2.3.1.1 */
  #checkIdentified({ register, write }: Access): void {
    const known = this.#identified;
    if (known.DeviceID) return;
    const read = !write && register in known;
    const ready = known.MagicValue && known.Version;
    if (read && (register !== "DeviceID" || ready)) {
      known[register as keyof typeof known] = true;
      return;
    }
    const missing = Object.entries(known).flatMap(([name, done]) =>
      done || name === register ? [] : [name],
    );
    this.#report("4.2.3.1.1 start", `${register} accessed before ${missing.join(" and ")} was read`);
    known.MagicValue = known.Version = known.DeviceID = true;
  }

  get #isMmio(): boolean {
    return this.#bus === "mmio" && !this.#device.legacy;
  }

  /** What was before a reset of the device does not count any more. */
  #forget(): void {
    this.#offeredRead = this.#offeredSelected = this.#acceptedSelected = false;
    this.#mustReread = this.#mustReadBack = false;
    this.#mustVerify = undefined;
    this.#selected = 0;
    this.#events = 0;
    this.#resetQueues.clear();
    this.#usedBefore.clear();
  }
}
