import { Status } from "../virtio/spec.ts";
import type { GuestAgent } from "./agent.ts";
import { driverReady } from "./describe.ts";
import type { MachineDisk } from "./device-set.ts";
import { errorText } from "./error-text.ts";
import type { GuestEnd } from "./guest-life.ts";
import { anotherGuest, HotPlugError } from "./hot-plug-error.ts";
import { askToRemove, askToRescan, removal, RESCAN } from "./hot-plug-guest.ts";

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

export interface DialogueOptions {
  agent: GuestAgent | undefined;
  /** Where a disk is on the bus, if it is there. */
  place(disk: MachineDisk): string | undefined;
  paused(): boolean;
  /** For the person in front of the machine. */
  tell(text: string): void;
}

const PATIENCE = 60_000;
/** The same for an agent that is not there, and may never be. */
const PATIENCE_FOR_AGENT = 10_000;
/** For a guest to let go of a disk that it did not take properly. */
const PATIENCE_AFTER_FAILURE = 5_000;

/** What is said between us and the guest, by its agent or by hand, when a disk comes or goes. */
export class GuestDialogue {
  readonly #options: DialogueOptions;

  constructor(options: DialogueOptions) {
    this.#options = options;
  }

  /** Resolves when the guest's driver is ready. Rejects with HotPlugError, also when the guest goes away. */
  async offer(
    disk: MachineDisk,
    guest: AbortSignal,
    { patienceMs = PATIENCE }: AttachOptions,
  ): Promise<void> {
    const { device } = disk;
    const { id } = disk.config;
    const { agent } = this.#options;
    const known = agent?.ready === true;
    const place = this.#options.place(disk) ?? "";
    if (!agent) {
      this.#options.tell(`No agent tells the guest of the disk "${id}": type "${RESCAN}" in it now.`);
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
  async release(disk: MachineDisk, guest: AbortSignal, options: DetachOptions): Promise<void> {
    const { agent } = this.#options;
    const { id } = disk.config;
    const { force = false, patienceMs = agent?.ready ? PATIENCE : PATIENCE_FOR_AGENT } = options;
    const place = this.#options.place(disk);
    if (place === undefined || (!agent?.ready && (force || released(disk)))) return;
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
      if (!guest.aborted) throw new HotPlugError(`The disk "${id}" is still attached: ${errorText(error)}`);
      if (endOf(guest).forGood) return; // nobody uses it any more
      throw anotherGuest(disk.config.id);
    } finally {
      over.abort();
    }
    if (force) return;
    if (answer === "late") {
      if (!agent?.ready && !hasDriver(disk)) return;
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

  /** Has a guest that runs let go of a disk that it did not take as it should, as far as it listens. */
  async takeBack(disk: MachineDisk, guest: AbortSignal): Promise<void> {
    const { agent } = this.#options;
    const place = this.#options.place(disk);
    if (agent?.ready && place !== undefined && !guest.aborted) {
      const over = new AbortController();
      const lost = AbortSignal.any([guest, over.signal]);
      const asked = askToRemove(agent, place, true, lost).catch(() => undefined);
      await Promise.race([asked, this.#late(PATIENCE_AFTER_FAILURE, lost)]);
      over.abort();
    }
  }

  /** Resolves when the guest was not paused for so many milliseconds; never when the signal is aborted before. */
  #late(patienceMs: number, signal: AbortSignal): Promise<"late"> {
    const step = Math.min(200, patienceMs);
    return new Promise((resolve) => {
      let left = patienceMs;
      const timer = setInterval(() => {
        if (!this.#options.paused()) left -= step;
        if (left <= 0) resolve("late");
      }, step);
      const stop = (): void => clearInterval(timer);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
  }
}

function hasDriver({ device }: MachineDisk): boolean {
  return (device.status & Status.DRIVER) !== 0;
}

/** Linux acknowledges a device again whose driver has left, and says no more until another one comes. */
function released({ device }: MachineDisk): boolean {
  return device.status === Status.ACKNOWLEDGE;
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
