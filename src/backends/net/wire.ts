import type { Member } from "../../net/relay-protocol.ts";
import type { NetBackend } from "../../virtio/net-backend.ts";

/** What a network device is plugged into, with what a person wants to know of it. */
export interface Wire extends NetBackend {
  readonly status: WireStatus;
  /** Told after each change of `status`. */
  onStatus: ((status: WireStatus) => void) | undefined;
}

/** A value: a change makes a new one. It crosses the channel to the page as it is. */
export interface WireStatus {
  /** `connecting`: it was never up, or is about to come back; `down`: it does not come by itself. */
  state: "up" | "connecting" | "down";
  /** Milliseconds since 1970. */
  since: number;
  /** While it is not up: why, as a sentence for a person. */
  reason: string | undefined;
  /** When it tries again, milliseconds since 1970. */
  retryAt: number | undefined;
  /** The relay that it is connected to, or tries to be: a URL without the secret. Undefined where there is none. */
  relay: string | undefined;
  /** Its own entry among `members`. */
  self: string | undefined;
  /** Who is here, this machine included. Empty where nobody can be, or nobody tells. */
  members: readonly Member[];
  /** What the gateway has given to the guest; undefined without one, or before the guest asked. */
  lease: { address: string; hostname: string | undefined } | undefined;
  counters: WireCounters;
}

/** Since the wire was opened; "out" is from the guest. Changes of these alone are not told. */
export interface WireCounters {
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  /** Packets that could not go on: no connection, a full queue, or nothing that can be sent. */
  dropped: number;
  /** How often the connection was lost. */
  losses: number;
}

/** A wire with others at it: a gateway may stand in front. */
export interface SharedWire extends Wire {
  /** Somebody there gives the guest an address and a way out. */
  readonly hasUplink: boolean;
}

export function noWireCounters(): WireCounters {
  return { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, dropped: 0, losses: 0 };
}
