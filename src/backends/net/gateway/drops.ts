/** Why a packet for the gateway came to nothing. */
export type DropReason =
  /** Lengths that cannot be, or nothing that can be read. */
  | "malformed"
  /** A checksum is wrong. */
  | "checksum"
  /** Pieces of a datagram that do not fit together. */
  | "fragments"
  /** From an address that nobody can have. */
  | "source"
  /** A protocol that the gateway does not speak. */
  | "protocol";

export type Drops = Record<DropReason, number>;

export const noDrops = (): Drops => ({ malformed: 0, checksum: 0, fragments: 0, source: 0, protocol: 0 });

export function allDrops(drops: Drops): number {
  return Object.values(drops).reduce((total, count) => total + count, 0);
}
