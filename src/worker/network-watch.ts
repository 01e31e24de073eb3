import type { Wire, WireStatus } from "../backends/net/wire.ts";
import type { Machine } from "../machine/machine.ts";
import type { Captures } from "./captures.ts";
import type { CaptureStatus, NetworkStatus } from "./protocol.ts";

/** Milliseconds between looks at what nobody tells of: the address that a driver uses, a carrier. */
const INTERVAL = 400;

/** Milliseconds: others make wires change, and the page has to draw that. What came sooner waits for the next look. */
const LEAST_BETWEEN = 250;

/** Tells of a machine's network devices and their wires whenever something but a counter changed. */
export class NetworkWatch {
  readonly #captures: Captures;
  readonly #tell: (networks: readonly NetworkStatus[]) => void;
  #toldAt = -Infinity;
  #machine: Machine | undefined;
  #wires: ReadonlyMap<string, Wire> = new Map();
  #last = "[]";
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(captures: Captures, tell: (networks: readonly NetworkStatus[]) => void) {
    this.#captures = captures;
    this.#tell = tell;
  }

  /** Looks at this machine from now on; undefined: at none. */
  follow(machine: Machine | undefined, wires: ReadonlyMap<string, Wire> = new Map()): void {
    for (const wire of this.#wires.values()) wire.onStatus = undefined;
    clearInterval(this.#timer);
    this.#machine = machine;
    this.#wires = wires;
    for (const wire of wires.values()) wire.onStatus = () => this.#lookSoon();
    if (machine) this.#timer = setInterval(() => this.look(), INTERVAL);
    this.look();
  }

  /** As it is now. */
  status(): NetworkStatus[] {
    return (this.#machine?.networks() ?? []).map((network) => ({
      ...network,
      status: this.#wires.get(network.id)?.status ?? UNPLUGGED,
      capturing: this.#captures.status(network.id),
    }));
  }

  #lookSoon(): void {
    if (performance.now() - this.#toldAt >= LEAST_BETWEEN) this.look();
  }

  /** Looks at once. */
  look(): void {
    const status = this.status();
    const text = JSON.stringify(status, leaveOutCounters);
    if (text === this.#last) return;
    this.#last = text;
    this.#toldAt = performance.now();
    this.#tell(status);
  }
}

function leaveOutCounters(key: string, value: unknown): unknown {
  if (key === "counters") return undefined;
  // Of a capture that goes on, that it does.
  if (key === "capturing") return (value as CaptureStatus | undefined)?.running;
  return value;
}

const UNPLUGGED: WireStatus = {
  state: "down",
  since: 0,
  reason: undefined,
  retryAt: undefined,
  relay: undefined,
  self: undefined,
  members: [],
  lease: undefined,
  counters: { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, dropped: 0, losses: 0 },
};
