import { MOST_DEVICES } from "../config/defaults.ts";
import type { BlockConfig } from "../config/types.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import { Status } from "../virtio/spec.ts";
import type { GuestAgent } from "./agent.ts";
import { type Board, onPci } from "./board.ts";
import { driverReady } from "./describe.ts";
import type { DeviceSet, MachineDisk } from "./device-set.ts";
import type { GuestEnd } from "./guest-life.ts";
import { askToRemove, askToRescan, removal, RESCAN } from "./hot-plug-guest.ts";

/** A disk that could not be attached or detached; the message is for the person. */
export class HotPlugError extends Error {
  override readonly name = "HotPlugError";
  /** The guest uses the disk: `force` would detach it all the same. */
  readonly inUse: boolean;

  constructor(message: string, { inUse = false } = {}) {
    super(message);
    this.inUse = inUse;
  }
}

export interface AttachOptions {
  /** How long the guest may take to find the disk, in milliseconds in which it is not paused; 60,000 unless given. */
  patienceMs?: number;
}

export interface DetachOptions {
  /** Take the disk away even when the guest uses it, or says nothing: what it has not written yet is lost. */
  force?: boolean;
  /** How long the guest may take to let go, in the same way; 60,000 unless given, 10,000 while no agent is there. */
  patienceMs?: number;
}

/** What hot-plug sees of the machine. */
export interface PluggableMachine {
  readonly devices: DeviceSet;
  readonly agent: GuestAgent | undefined;
  now(): MachineNow;
  /** Does `work` while no guest is being started. */
  inTurn<T>(work: () => T): Promise<T>;
  tell(level: "info" | "error", text: string): void;
}

export interface MachineNow {
  board: Board | undefined;
  /** The guest that runs, or is paused: aborted with a GuestEnd when it is gone. */
  guest: AbortSignal | undefined;
  paused: boolean;
}

const PATIENCE = 60_000;
/** The same for an agent that is not there, and may never be. */
const PATIENCE_FOR_AGENT = 10_000;
/** For a guest to let go of a disk that it did not take properly. */
const PATIENCE_AFTER_FAILURE = 5_000;

/**
 * Disks that come and go while a guest runs. The function appears on the PCI bus, or goes from it, and Linux is told by
 * sysfs (./hot-plug-guest.ts): an ACPI or PCI Express hot-plug controller would be a device with a driver of its own, to the
 * same end. One disk after the other; a machine that is off just has one disk more or less at its next start.
 */
export class HotPlug {
  readonly #machine: PluggableMachine;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(machine: PluggableMachine) {
    this.#machine = machine;
  }

  /** Owns `disk` from now on, also when it rejects. */
  attach(config: BlockConfig, disk: BlockBackend, { patienceMs = PATIENCE }: AttachOptions): Promise<void> {
    return this.#inTurn(async () => {
      let attached: { disk: MachineDisk; guest: AbortSignal | undefined };
      try {
        attached = await this.#machine.inTurn(() => this.#plug(config, disk));
      } catch (error) {
        await this.#close(disk);
        throw error;
      }
      if (attached.guest) await this.#offer(attached.disk, attached.guest, patienceMs);
    });
  }

  detach(id: string, options: DetachOptions): Promise<void> {
    return this.#inTurn(async () => {
      const { disk, guest } = await this.#machine.inTurn(() => this.#find(id));
      if (guest) await this.#release(disk, guest, options);
      await this.#machine.inTurn(() => this.#unplug(disk, guest, options.force === true));
      await this.#save(disk);
    });
  }

  /** Resolves when nothing comes or goes any more. The guest must be gone for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
  }

  // ---- on the host's side, while no guest is being started ----

  #plug(config: BlockConfig, disk: BlockBackend): { disk: MachineDisk; guest: AbortSignal | undefined } {
    const { devices } = this.#machine;
    const { board, guest } = this.#machine.now();
    const { id, transport } = config;
    this.#checkOpen();
    if (devices.disks.some(({ config: other }) => other.id === id)) {
      throw new HotPlugError(`There is a disk "${id}" in this machine already.`);
    }
    if (devices.all.length >= MOST_DEVICES) {
      throw new HotPlugError(`The machine has ${MOST_DEVICES} devices, and can have no more.`);
    }
    if (guest && !onPci(transport)) {
      throw new HotPlugError(
        `The disk "${id}" has transport=${transport}, and nothing tells a running guest of new virtio-mmio devices: give it ` +
          "transport=pci, or attach it while the machine is off.",
      );
    }
    const added = devices.add(config, disk);
    if (!guest) return { disk: added, guest };
    try {
      board?.plug({ device: added.device, transport, vectors: config.vectors });
    } catch (error) {
      devices.remove(added);
      throw error;
    }
    return { disk: added, guest };
  }

  #find(id: string): { disk: MachineDisk; guest: AbortSignal | undefined } {
    const { devices } = this.#machine;
    const { guest } = this.#machine.now();
    this.#checkOpen();
    const disk = devices.disks.find(({ config }) => config.id === id);
    if (!disk) throw new HotPlugError(`There is no disk "${id}" in this machine.`);
    if (guest && !onPci(disk.config.transport)) {
      throw new HotPlugError(
        `The disk "${id}" is on virtio-mmio, whose devices cannot leave a running guest: switch the machine off first.`,
      );
    }
    return { disk, guest };
  }

  /** @param before the guest that has let go of it; another one has not. */
  #unplug(disk: MachineDisk, before: AbortSignal | undefined, force: boolean): void {
    const { board, guest } = this.#machine.now();
    this.#checkOpen();
    if (guest && guest !== before && !force) throw anotherGuest(disk);
    this.#machine.devices.remove(disk);
    board?.unplug(disk.device);
  }

  #checkOpen(): void {
    if (this.#closed) throw new HotPlugError("The machine has been disposed of.");
    if (this.#machine.now().paused) throw new HotPlugError("The machine is paused: resume it first.");
  }

  async #save(disk: MachineDisk): Promise<void> {
    try {
      await disk.disk.flush();
    } catch (error) {
      throw new HotPlugError(
        `The disk "${disk.config.id}" is detached, but not all that was written to it could be saved: ${textOf(error)}`,
      );
    } finally {
      await this.#close(disk.disk);
    }
  }

  async #close(disk: BlockBackend): Promise<void> {
    try {
      await disk.dispose();
    } catch (error) {
      this.#machine.tell("error", textOf(error));
    }
  }

  // ---- on the guest's side ----

  /** A guest that is reset finds the disk as it starts: that is as good. */
  async #offer(disk: MachineDisk, guest: AbortSignal, patienceMs: number): Promise<void> {
    try {
      await this.#taken(disk, guest, patienceMs);
    } catch (error) {
      if (guest.aborted && !endOf(guest).forGood) return;
      await this.#takeBack(disk, guest);
      throw error;
    }
  }

  /** Resolves when the guest's driver is ready. */
  async #taken(
    { config: { id }, device }: MachineDisk,
    guest: AbortSignal,
    patienceMs: number,
  ): Promise<void> {
    const { agent } = this.#machine;
    const known = agent?.ready === true;
    const place = this.#machine.now().board?.place(device) ?? "";
    if (!agent) {
      this.#machine.tell("info", `No agent tells the guest of the disk "${id}": type "${RESCAN}" in it now.`);
    }
    const over = new AbortController();
    const lost = AbortSignal.any([guest, over.signal]);
    const progress = { found: false };
    const ready = new Promise<void>((resolve) => {
      const look = (): void => {
        if (driverReady(device)) resolve();
      };
      device.onStatus = look;
      look();
    });
    const told = (agent ? askToRescan(agent, place, lost) : ready.then(() => ({ done: true }) as const)).then(
      (answer) => {
        if (!answer.done)
          throw new HotPlugError(`The guest has not found the disk "${id}": ${answer.reason}.`);
        progress.found = true;
        return ready;
      },
    );
    try {
      // An agent that was there from the beginning also has the last word.
      const outcome = await Promise.race([
        known ? told : Promise.race([told, ready]),
        this.#late(patienceMs, lost),
        ended(lost),
      ]);
      if (outcome !== "late" || driverReady(device)) return;
    } catch (error) {
      if (!guest.aborted) throw error;
      throw new HotPlugError(`${endOf(guest).reason} The disk "${id}" was not attached.`);
    } finally {
      over.abort();
      device.onStatus = undefined;
    }
    const seconds = Math.ceil(patienceMs / 1000);
    if (progress.found)
      throw new HotPlugError(`The guest found the disk "${id}", but has no driver that took it.`);
    throw new HotPlugError(
      agent?.ready
        ? `The guest's agent was busy with other commands for ${seconds} s: the disk "${id}" was not attached.`
        : `No agent told the guest of the disk "${id}" within ${seconds} s, so it was taken away again. Attach it once more ` +
            `and type "${RESCAN}" in the guest meanwhile.`,
    );
  }

  /** Has the guest let go of a disk. @throws HotPlugError when it keeps it. */
  async #release(disk: MachineDisk, guest: AbortSignal, options: DetachOptions): Promise<void> {
    const { agent } = this.#machine;
    const { id } = disk.config;
    const { force = false, patienceMs = agent?.ready ? PATIENCE : PATIENCE_FOR_AGENT } = options;
    const place = this.#machine.now().board?.place(disk.device);
    if (place === undefined || (!agent?.ready && (force || !hasDriver(disk)))) return;
    const over = new AbortController();
    const lost = AbortSignal.any([guest, over.signal]);
    let answer: Awaited<ReturnType<typeof askToRemove>> | "late";
    try {
      if (!agent) answer = "late";
      else
        answer = await Promise.race([
          askToRemove(agent, place, force, lost),
          this.#late(patienceMs, lost),
          ended(lost),
        ]);
    } catch (error) {
      if (!guest.aborted) throw new HotPlugError(`The disk "${id}" is still attached: ${textOf(error)}`);
      if (endOf(guest).forGood) return; // nobody uses it any more
      throw anotherGuest(disk);
    } finally {
      over.abort();
    }
    if (force) return;
    if (answer === "late") {
      const why = agent?.ready
        ? "The guest's agent is busy with other commands"
        : "No agent in the guest answers";
      throw new HotPlugError(
        `${why}: the disk "${id}" is still attached. Type "${removal(place)}" in the guest and detach it again.`,
      );
    }
    if (!answer.done) {
      throw new HotPlugError(
        answer.inUse
          ? `The guest uses the disk "${id}": ${answer.reason}. End that first, or detach the disk by force.`
          : `The guest has not let go of the disk "${id}": ${answer.reason}.`,
        { inUse: answer.inUse },
      );
    }
    if (hasDriver(disk)) {
      throw new HotPlugError(`A driver in the guest still holds the disk "${id}".`, { inUse: true });
    }
  }

  /** Undoes an attach that failed: nothing of it is left in the machine. */
  async #takeBack(disk: MachineDisk, guest: AbortSignal): Promise<void> {
    const { agent } = this.#machine;
    const place = this.#machine.now().board?.place(disk.device);
    if (agent?.ready && place !== undefined && !guest.aborted) {
      const over = new AbortController();
      const lost = AbortSignal.any([guest, over.signal]);
      const asked = askToRemove(agent, place, true, lost).catch(() => undefined);
      await Promise.race([asked, this.#late(PATIENCE_AFTER_FAILURE, lost)]);
      over.abort();
    }
    await this.#machine.inTurn(() => {
      this.#machine.devices.remove(disk);
      this.#machine.now().board?.unplug(disk.device);
    });
    await this.#close(disk.disk);
  }

  /** Resolves when the guest was not paused for so many milliseconds; never when the signal is aborted before. */
  #late(patienceMs: number, signal: AbortSignal): Promise<"late"> {
    const step = Math.min(200, patienceMs);
    return new Promise((resolve) => {
      let left = patienceMs;
      const timer = setInterval(() => {
        if (!this.#machine.now().paused) left -= step;
        if (left <= 0) resolve("late");
      }, step);
      const stop = (): void => clearInterval(timer);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** Linux acknowledges a device whose driver has left, and says no more until another one comes. */
function hasDriver({ device }: MachineDisk): boolean {
  return (device.status & Status.DRIVER) !== 0;
}

/** Rejects when the signal is aborted. */
function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new HotPlugError("There is nothing to wait for any more."));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

function endOf(guest: AbortSignal): GuestEnd {
  return guest.reason as GuestEnd;
}

function anotherGuest({ config: { id } }: MachineDisk): HotPlugError {
  return new HotPlugError(`The guest was started anew meanwhile: the disk "${id}" is still attached.`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
