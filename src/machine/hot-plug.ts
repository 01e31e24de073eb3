import { MOST_DEVICES } from "../config/defaults.ts";
import type { BlockConfig } from "../config/types.ts";
import type { BlockBackend } from "../virtio/block-backend.ts";
import type { GuestAgent } from "./agent.ts";
import { type Board, onPci } from "./board.ts";
import type { DeviceSet, MachineDisk } from "./device-set.ts";
import { errorText } from "./error-text.ts";
import type { GuestEnd } from "./guest-life.ts";
import { type AttachOptions, type DetachOptions, GuestDialogue } from "./hot-plug-dialogue.ts";
export type { AttachOptions, DetachOptions } from "./hot-plug-dialogue.ts";
import { anotherGuest, HotPlugError } from "./hot-plug-error.ts";
export { HotPlugError } from "./hot-plug-error.ts";

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

/**
 * Disks that come and go while a guest runs. The function appears on the PCI bus, or goes from it, and Linux is told by
 * sysfs (./hot-plug-guest.ts): an ACPI or PCI Express hot-plug controller would be a device with a driver of its own, to the
 * same end. One disk after the other; a machine that is off just has one disk more or less at its next start.
 */
export class HotPlug {
  readonly #machine: PluggableMachine;
  readonly #dialogue: GuestDialogue;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(machine: PluggableMachine) {
    this.#machine = machine;
    this.#dialogue = new GuestDialogue({
      agent: machine.agent,
      place: ({ device }) => machine.now().board?.place(device),
      paused: () => machine.now().paused,
      tell: (text) => machine.tell("info", text),
    });
  }

  /** Owns `disk` from now on, also when it rejects. */
  attach(config: BlockConfig, disk: BlockBackend, options: AttachOptions): Promise<void> {
    return this.#inTurn(async () => {
      let attached: { disk: MachineDisk; guest: AbortSignal | undefined };
      try {
        attached = await this.#machine.inTurn(() => this.#plug(config, disk));
      } catch (error) {
        await this.#close(disk);
        throw error;
      }
      if (attached.guest) await this.#offer(attached.disk, attached.guest, options);
    });
  }

  detach(id: string, options: DetachOptions): Promise<void> {
    return this.#inTurn(async () => {
      const { disk, guest } = await this.#machine.inTurn(() => this.#find(id));
      if (guest) await this.#dialogue.release(disk, guest, options);
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
    this.#checkNotClosed();
    if (guest && guest !== before && !force) throw anotherGuest(disk.config.id);
    this.#machine.devices.remove(disk);
    board?.unplug(disk.device);
  }

  #checkOpen(): void {
    this.#checkNotClosed();
    if (this.#machine.now().paused) throw new HotPlugError("The machine is paused: resume it first.");
  }

  #checkNotClosed(): void {
    if (this.#closed) throw new HotPlugError("The machine has been disposed of.");
  }

  async #save(disk: MachineDisk): Promise<void> {
    try {
      await disk.disk.flush();
    } catch (error) {
      throw new HotPlugError(
        `The disk "${disk.config.id}" is detached, but not all that was written to it could be saved: ${errorText(error)}`,
      );
    } finally {
      await this.#close(disk.disk);
    }
  }

  async #close(disk: BlockBackend): Promise<void> {
    try {
      await disk.dispose();
    } catch (error) {
      this.#machine.tell("error", errorText(error));
    }
  }

  /** A guest that is reset finds the disk as it starts: that is as good. */
  async #offer(disk: MachineDisk, guest: AbortSignal, options: AttachOptions): Promise<void> {
    try {
      await this.#dialogue.offer(disk, guest, options);
    } catch (error) {
      if (guest.aborted && !(guest.reason as GuestEnd).forGood) return;
      await this.#takeBack(disk, guest);
      throw error;
    }
  }

  /** Undoes an attach that failed: nothing of it is left in the machine. */
  async #takeBack(disk: MachineDisk, guest: AbortSignal): Promise<void> {
    await this.#dialogue.takeBack(disk, guest);
    await this.#machine.inTurn(() => {
      this.#machine.devices.remove(disk);
      this.#machine.now().board?.unplug(disk.device);
    });
    await this.#close(disk.disk);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
