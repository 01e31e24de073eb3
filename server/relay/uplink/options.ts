/** What the host of a relay says of its ways out. */
import { getServers } from "node:dns";
import { isIPv4 } from "node:net";
import { parseRule, type Rule } from "./ranges.ts";

export interface UplinkSettings {
  /** Rooms that have one. */
  rooms: ReadonlySet<string>;
  /** What of the host's private networks can be reached. */
  allow: readonly Rule[];
  /** IPv4 address of the DNS server that answers what members ask the gateway. Undefined: nobody does. */
  dns: string | undefined;
  /** Members that can have a way out at a time, a process each. */
  most: number;
  /** The longest IP packet for a guest (bytes). */
  mtu: number;
  /** The program, and the environment that it is run in. */
  program: string;
  environment: NodeJS.ProcessEnv;
}

export const MOST = { standard: 32, least: 1, most: 256 } as const;

export const UPLINK_HELP = `  --uplink ROOM                 the room has a way out to the internet, by passt (Debian's package); may be repeated
  --uplink-allow NET            whoever is in such a room may reach ADDRESS[/BITS][:PORT] of this computer's private networks,
                                or [IPV6/BITS]:PORT; nothing of them unless allowed; may be repeated
  --uplink-dns ADDRESS          of the DNS server for them, IPv4; this computer's own unless given
  --uplink-most N               members that have a way out at a time, some 30 MB each; ${MOST.standard} unless given`;

/** The options for `parseArgs`. */
export const UPLINK_OPTIONS = {
  uplink: { type: "string", multiple: true },
  "uplink-allow": { type: "string", multiple: true },
  "uplink-dns": { type: "string" },
  "uplink-most": { type: "string" },
} as const;

interface Values {
  uplink?: string[] | undefined;
  "uplink-allow"?: string[] | undefined;
  "uplink-dns"?: string | undefined;
  "uplink-most"?: string | undefined;
}

/** Undefined when no room has a way out. Throws an Error with a sentence for the person. */
export function uplinkSettings(values: Values, environment: NodeJS.ProcessEnv): UplinkSettings | undefined {
  const rooms = values.uplink ?? [];
  if (rooms.length === 0) {
    const other = (["uplink-allow", "uplink-dns", "uplink-most"] as const).find(
      (name) => values[name] !== undefined,
    );
    if (other === undefined) return undefined;
    throw new Error(`--${other} says how members get out, and no room has a way out: add --uplink ROOM.`);
  }
  const strange = rooms.find((room) => !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(room));
  if (strange !== undefined) throw new Error(`--uplink ${strange}: no room can be called so.`);
  const most = Number(values["uplink-most"] ?? MOST.standard);
  if (!Number.isInteger(most) || most < MOST.least || most > MOST.most) {
    throw new Error(
      `--uplink-most is a number from ${MOST.least} to ${MOST.most}, not "${values["uplink-most"]!}".`,
    );
  }
  const dns = values["uplink-dns"];
  if (dns !== undefined && !isIPv4(dns)) throw new Error(`--uplink-dns is an IPv4 address, not "${dns}".`);
  return {
    rooms: new Set(rooms),
    allow: (values["uplink-allow"] ?? []).map(parseRule),
    dns: dns ?? getServers().find((server) => isIPv4(server)),
    most,
    mtu: 1500,
    program: "passt",
    environment,
  };
}
