import { signal, type ReadonlySignal } from "@preact/signals";
import { formatBytes } from "../format.ts";
import type { Notices } from "../notices.ts";

const MiB = 1024 ** 2;

/** How much of what the browser gives this site is used, in bytes. */
export interface Use {
  usage: number;
  quota: number;
  /** The browser does not delete the site's data when the computer runs short of space; undefined when it does not say. */
  kept: boolean | undefined;
}

/**
 * When the person is warned: so little is left, and so much of the quota is used. The second keeps a browser that gives little
 * to begin with from warning about nothing. Each is told once, and again only after there was room in between.
 */
const THRESHOLDS: readonly { left: number; share: number; level: "warning" | "error" }[] = [
  { left: 1024 * MiB, share: 0.75, level: "warning" },
  { left: 128 * MiB, share: 0.9, level: "error" },
];

/** Milliseconds between looks while nothing is known to have changed. */
const INTERVAL = 20_000;

/** Watches how much storage is left, and tells when it becomes little. Nothing is ever removed to make room. */
export class StorageUse {
  /** Undefined until it is known, and in browsers that do not say. */
  readonly current = signal<Use | undefined>(undefined);
  readonly #notices: Notices;
  /** How many of the thresholds were told. */
  #told = 0;

  /** @param changes something that changes when more or less may be stored */
  constructor(notices: Notices, changes: ReadonlySignal<unknown>) {
    this.#notices = notices;
    changes.subscribe(() => void this.look());
    setInterval(() => void this.look(), INTERVAL);
  }

  async look(): Promise<void> {
    const use = await measure();
    this.current.value = use;
    if (use) this.#warn(use);
  }

  /** Asks the browser to keep the site's data; resolves with whether it does. */
  async keep(): Promise<boolean> {
    const kept = await navigator.storage.persist().catch(() => false);
    await this.look();
    return kept;
  }

  #warn({ usage, quota }: Use): void {
    const left = Math.max(0, quota - usage);
    const reached = THRESHOLDS.filter(
      (threshold) => left <= threshold.left && usage >= quota * threshold.share,
    );
    if (reached.length > this.#told) {
      this.#notices.add(
        reached.at(-1)!.level,
        `${formatBytes(left)} are left of the ${formatBytes(quota)} that the browser gives this site. When they are used up, ` +
          "the guest's writes fail. Delete disks under Disks that are not needed, or make room on this computer.",
      );
    }
    this.#told = reached.length;
  }
}

async function measure(): Promise<Use | undefined> {
  // Absent in insecure contexts and in older browsers.
  const { storage } = navigator as { storage?: Partial<StorageManager> };
  try {
    const [estimate, kept] = await Promise.all([storage?.estimate?.(), storage?.persisted?.()]);
    const { usage, quota } = estimate ?? {};
    return usage === undefined || quota === undefined ? undefined : { usage, quota, kept };
  } catch {
    return undefined;
  }
}
