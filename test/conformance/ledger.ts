import { basic } from "./chapters/basic.ts";
import { block52 } from "./chapters/block.ts";
import { console53 } from "./chapters/console.ts";
import { entropy } from "./chapters/entropy.ts";
import { groups } from "./chapters/groups.ts";
import { initialization } from "./chapters/initialization.ts";
import { mmio } from "./chapters/mmio.ts";
import { network51 } from "./chapters/network.ts";
import { packedRings } from "./chapters/packed.ts";
import { pci } from "./chapters/pci.ts";
import { reserved } from "./chapters/reserved.ts";
import { split } from "./chapters/split.ts";
import type { Chapter, Requirement } from "./requirement.ts";

/** Every device-side MUST, MUST NOT and SHALL of the chapters that our devices follow, in the standard's order. */
export const LEDGER: readonly Chapter[] = [
  basic,
  split,
  packedRings,
  groups,
  initialization,
  pci,
  mmio,
  network51,
  block52,
  console53,
  entropy,
  reserved,
];

/** A requirement with its name, which stays the same for good: section, then a word. */
export interface Row extends Requirement {
  id: string;
}

export function rowsOf(chapter: Chapter): Row[] {
  return chapter.sections.flatMap(({ number, rows }) =>
    Object.entries(rows).map(([word, requirement]) => ({ id: `${number} ${word}`, ...requirement })),
  );
}
