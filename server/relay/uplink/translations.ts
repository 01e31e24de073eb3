/** The numbers of one member in each protocol, and of all members: passt has a table for each, too. */
import { readFileSync } from "node:fs";
import { Protocol, type Ip } from "../../../src/net/ip.ts";
import { NumberPool } from "./number-pool.ts";
import { occupiedPorts } from "./occupied-ports.ts";
import { Translation, type TranslationOptions } from "./translation.ts";

const KINDS = ["udp4", "udp6", "echo4", "echo6"] as const;
type Kind = (typeof KINDS)[number];

export type NumberPools = Readonly<Record<Kind, NumberPool>>;

/** RFC 4787, 4.3: a flow lasts two minutes or more; passt's sockets do three. Pings are passt's for one. */
const UDP = { idle: 125_000, briefIdle: 20_000, closes: 180_000, once: true };
const ECHO = { idle: 50_000, briefIdle: 50_000, closes: 60_000, once: false };

/** `now`: milliseconds of a clock that only goes forward. */
export function numberPools(now: () => number): NumberPools {
  const nobody: ReadonlySet<number> = new Set();
  const ports = { ...ephemeralPorts(), occupied: occupiedPorts(now), now };
  const identifiers = { first: 1, last: 65535, occupied: () => nobody, now };
  return {
    udp4: new NumberPool(ports),
    udp6: new NumberPool(ports),
    echo4: new NumberPool(identifiers),
    echo6: new NumberPool(identifiers),
  };
}

export class Translations {
  readonly #of: Readonly<Record<Kind, Translation>>;

  constructor(pools: NumberPools, now: () => number) {
    const make = (kind: Kind, times: Omit<TranslationOptions, "pool" | "now">): Translation =>
      new Translation({ pool: pools[kind], now, ...times });
    this.#of = {
      udp4: make("udp4", UDP),
      udp6: make("udp6", UDP),
      echo4: make("echo4", ECHO),
      echo6: make("echo6", ECHO),
    };
  }

  /** Of UDP, or else of pings. */
  of({ protocol, version }: Pick<Ip, "protocol" | "version">): Translation {
    if (protocol === Protocol.UDP) return version === 4 ? this.#of.udp4 : this.#of.udp6;
    return version === 4 ? this.#of.echo4 : this.#of.echo6;
  }

  /** passt has ended. */
  dispose(): void {
    for (const kind of KINDS) this.#of[kind].dispose();
  }
}

/** Where this computer has its own outgoing connections (ip(7)). */
function ephemeralPorts(): { first: number; last: number } {
  try {
    const text = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "latin1");
    const [first = NaN, last = NaN] = text.split(/\s+/).map(Number);
    if (first >= 1024 && last <= 65535 && last - first >= 1000) return { first, last };
  } catch {
    // Not Linux: the range of RFC 6335 is as good.
  }
  return { first: 49152, last: 65535 };
}
