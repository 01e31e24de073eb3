import type { DiskBase } from "./base.ts";
import { sizeText } from "./capacity.ts";
import { DiskError } from "./errors.ts";

/** What a disk notes of its base, to know it again. */
export interface BaseRecord {
  /** As messages call it: `The image "debian"`. */
  label: string;
  identity: string;
  /** Bytes. */
  size: number;
}

/** The record of a base, for a disk that is made. */
export function recordOf({ label, identity, size }: DiskBase): BaseRecord {
  return { label, identity, size };
}

export function isBaseRecord(value: unknown): value is BaseRecord {
  const { label, identity, size } = (value ?? {}) as Partial<BaseRecord>;
  return typeof label === "string" && typeof identity === "string" && Number.isSafeInteger(size);
}

/**
 * Refuses, with a DiskError "invalid", another base than the one that a disk was made over: its changes would be put over bytes
 * that they do not belong to.
 *
 * @param disk as messages call it: `The disk "home"`
 */
export function checkBase(disk: string, recorded: BaseRecord | undefined, given: DiskBase | undefined): void {
  if (recorded?.identity === given?.identity) return;
  throw new DiskError("invalid", `${disk} ${mismatch(recorded, given)}`);
}

function mismatch(recorded: BaseRecord | undefined, given: DiskBase | undefined): string {
  if (!recorded) {
    return `was made without a base and cannot be opened over ${named(given!)}. Leave out the base, or use another disk.`;
  }
  const holds = `holds changes to ${named(recorded)}`;
  if (!given) return `${holds} and cannot be opened without it. Give it that base, or use another disk.`;
  const other = recorded.label === given.label ? `its present content (${short(given)})` : named(given);
  return (
    `${holds} and cannot be opened over ${other}. ` +
    "Reset the disk to its base, which loses the changes, or use another disk."
  );
}

function named(base: BaseRecord): string {
  return `${base.label.charAt(0).toLowerCase()}${base.label.slice(1)} (${short(base)})`;
}

/** Enough of an identity to tell two apart. */
function short({ identity, size }: BaseRecord): string {
  return `${sizeText(size)}, ${identity.length > 24 ? `${identity.slice(0, 24)}…` : identity}`;
}

/**
 * The size in bytes of a disk over a base: the one that is wanted, or the base's.
 * Throws a DiskError "invalid" when it is too small for the base.
 */
export function sizeOver(disk: string, base: DiskBase, wanted = base.size): number {
  if (wanted >= base.size) return wanted;
  throw new DiskError(
    "invalid",
    `${disk} cannot have ${sizeText(wanted)}: ${named(base)} is larger. Leave out the size, or give at least ${sizeText(base.size)}.`,
  );
}
