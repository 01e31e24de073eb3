import type { Limits, Patience } from "./limits.ts";
import type { Log } from "./log.ts";
import type { Counters } from "./metrics.ts";
import type { Pool } from "./outbox.ts";
import type { Sharing } from "./sharing.ts";
import type { Turn } from "./turn.ts";
import type { UplinkFactory } from "./uplink.ts";

/** What all rooms and members of a relay have in common. */
export interface Shared {
  readonly limits: Limits;
  readonly patience: Patience;
  readonly counters: Counters;
  readonly log: Log;
  readonly turn: Turn;
  readonly pool: Pool;
  readonly sharing: Sharing | undefined;
  uplinkOf(room: string): UplinkFactory | undefined;
}
