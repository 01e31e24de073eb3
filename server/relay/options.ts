import { LONGEST_FRAME } from "../../src/net/packet.ts";
import { type Limits, MOST_MEMBERS_PER_ROOM, STANDARD } from "./limits.ts";
import { type Level, LEVELS } from "./log.ts";
import { UPLINK_HELP, UPLINK_OPTIONS, uplinkSettings, type UplinkSettings } from "./uplink/options.ts";

/** What a person says about a relay, on the command line and in the environment. */
export interface RelaySettings {
  limits: Limits;
  origins: string[];
  secrets: Map<string, string>;
  /** A file with more of them, ROOM=TEXT a line. */
  secretsFile: string | undefined;
  behindProxy: boolean;
  /** nats://… of the server over which relays share their rooms. */
  nats: string | undefined;
  /** Where members of other relays find this one. */
  url: string | undefined;
  /** Undefined: no room has a way out. */
  uplink: UplinkSettings | undefined;
  level: Level;
  format: "json" | "plain" | undefined;
}

/** The relay's options for `parseArgs`. */
export const RELAY_OPTIONS = {
  origin: { type: "string", multiple: true },
  secret: { type: "string", multiple: true },
  secrets: { type: "string" },
  "behind-proxy": { type: "boolean" },
  "most-rooms": { type: "string" },
  "most-members": { type: "string" },
  "most-members-per-room": { type: "string" },
  "most-members-per-address": { type: "string" },
  "joins-per-second": { type: "string" },
  "most-frame": { type: "string" },
  "most-rate": { type: "string" },
  "most-packets": { type: "string" },
  "most-queue": { type: "string" },
  "most-queues": { type: "string" },
  idle: { type: "string" },
  nats: { type: "string" },
  url: { type: "string" },
  ...UPLINK_OPTIONS,
  log: { type: "string" },
  "log-format": { type: "string" },
} as const;

export const RELAY_HELP = `  --origin ORIGIN               pages from there may use the relay, such as https://example.org; may be repeated; "*": all.
                                Pages from the relay's own host always may, and programs that are no browsers
  --secret ROOM=TEXT            who enters that room has to know the text; may be repeated
  --secrets FILE                the same from a file, ROOM=TEXT a line: other users of this computer do not see it
  --behind-proxy                connections come from a proxy that adds X-Forwarded-For, and keeps Host
  --most-rooms N                ${STANDARD.rooms} unless given
  --most-members N              of all rooms together; ${STANDARD.members} unless given
  --most-members-per-room N     ${STANDARD.membersPerRoom} unless given, at most ${MOST_MEMBERS_PER_ROOM}
  --most-members-per-address N  from one IP address; ${STANDARD.membersPerAddress} unless given
  --joins-per-second N          from one IP address; ${STANDARD.joinsPerSecond} unless given
  --most-frame BYTES            of an Ethernet frame, with its tags; ${STANDARD.frame} unless given
  --most-rate BYTES             that a member may send a second, such as 10M, or "unlimited"; ${STANDARD.rate >> 20}M unless given
  --most-packets N              that a member may send a second, or "unlimited"; ${STANDARD.packetRate} unless given
  --most-queue BYTES            that may wait for one member; ${STANDARD.queue >> 20}M unless given
  --most-queues BYTES           that may wait for all of them; ${STANDARD.queues >> 20}M unless given
  --idle SECONDS                send members away that send nothing for so long; never unless given
  --nats URL                    share the rooms with other relays over a NATS server (also RELAY_NATS)
  --url URL                     wss://… where members of the other relays find this one
${UPLINK_HELP}
  --log LEVEL                   ${LEVELS.join(", ")}; info unless given
  --log-format FORMAT           json or plain; unless given plain on a terminal, json otherwise`;

type Values = {
  [Name in keyof typeof RELAY_OPTIONS]?:
    | ((typeof RELAY_OPTIONS)[Name] extends { multiple: true }
        ? string[]
        : (typeof RELAY_OPTIONS)[Name]["type"] extends "boolean"
          ? boolean
          : string)
    | undefined;
};

/** Throws an Error with a plain sentence. */
export function relaySettings(values: Values, environment: NodeJS.ProcessEnv): RelaySettings {
  const number = (name: keyof Values, standard: number, range: { least?: number; most?: number } = {}) => {
    const text = values[name] as string | undefined;
    return text === undefined ? standard : parseNumber(name, text, range);
  };
  const nats = values.nats ?? (environment.RELAY_NATS === "" ? undefined : environment.RELAY_NATS);
  return {
    limits: {
      rooms: number("most-rooms", STANDARD.rooms),
      members: number("most-members", STANDARD.members),
      membersPerRoom: number("most-members-per-room", STANDARD.membersPerRoom, {
        most: MOST_MEMBERS_PER_ROOM,
      }),
      membersPerAddress: number("most-members-per-address", STANDARD.membersPerAddress),
      joinsPerSecond: number("joins-per-second", STANDARD.joinsPerSecond),
      frame: number("most-frame", STANDARD.frame, { least: 60, most: LONGEST_FRAME }),
      rate: number("most-rate", STANDARD.rate, { most: Infinity }),
      packetRate: number("most-packets", STANDARD.packetRate, { most: Infinity }),
      // A batch has to fit.
      queue: number("most-queue", STANDARD.queue, { least: 512 << 10 }),
      queues: number("most-queues", STANDARD.queues, { least: 512 << 10, most: 2 ** 40 }),
      idle: number("idle", STANDARD.idle / 1000) * 1000,
    },
    origins: (values.origin ?? []).map(parseOrigin),
    secrets: new Map((values.secret ?? []).map((text) => parseSecret(text, "--secret"))),
    secretsFile: values.secrets,
    behindProxy: values["behind-proxy"] ?? false,
    nats: nats === undefined ? undefined : parseUrl(nats, "--nats", ["nats:", "tls:"]),
    url: values.url === undefined ? undefined : parseUrl(values.url, "--url", ["ws:", "wss:"]),
    uplink: uplinkSettings(values, environment),
    level: oneOf("log", values.log ?? "info", LEVELS),
    format:
      values["log-format"] === undefined ? undefined : oneOf("log-format", values["log-format"], FORMATS),
  };
}

const FORMATS = ["json", "plain"] as const;
const UNITS: Record<string, number> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Whole, with K, M or G behind it; `unlimited` where there need be no end. */
function parseNumber(name: string, text: string, { least = 1, most = 2 ** 30 }): number {
  if (text === "unlimited" && most === Infinity) return Infinity;
  const [, digits, unit = ""] = /^(\d{1,12})([KMG]?)$/i.exec(text) ?? [];
  const value = Number(digits) * UNITS[unit.toUpperCase()]!;
  if (value >= least && value <= most) return value;
  const range = most === Infinity ? `from ${least} on, or "unlimited"` : `from ${least} to ${most}`;
  throw new Error(`--${name} ${text}: expected a whole number ${range}.`);
}

function parseOrigin(text: string): string {
  if (text === "*") return text;
  if (URL.canParse(text) && new URL(text).origin === text.toLowerCase().replace(/\/$/, ""))
    return new URL(text).origin;
  throw new Error(
    `--origin ${text}: expected the beginning of a page's address, such as https://example.org:8443.`,
  );
}

/** Of `ROOM=TEXT`; the text itself is in no message. */
export function parseSecret(text: string, where: string): [room: string, secret: string] {
  const [, room, secret] = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(.{1,256})$/.exec(text) ?? [];
  if (room !== undefined && secret !== undefined) return [room, secret];
  throw new Error(`${where}: expected ROOM=TEXT, with a room's name and up to 256 letters.`);
}

/** A password may be in it: it is in no message. */
function parseUrl(text: string, option: string, protocols: string[]): string {
  if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
  throw new Error(
    `${option}: expected a URL that begins with ${protocols.map((name) => `${name}//`).join(" or ")}.`,
  );
}

function oneOf<Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new Error(`--${option} ${text}: expected ${words.join(", ")}.`);
}
