import { closest } from "./similar.ts";
import { BadValue, type ValueType } from "./values.ts";

/** What a network device is plugged into (DESIGN: wire). */
export type Wire =
  /** Nothing: no carrier. */
  | { kind: "none" }
  /** The gateway in the page alone. */
  | { kind: "gateway" }
  /** A shared Ethernet at a relay, or between the tabs of one browser. */
  | { kind: "room" | "tabs"; name: string };

/** For help: every wire, as it is written. */
export const WIRES = {
  gateway: "a gateway of its own: an address, names, and a way out over HTTP",
  "room:NAME": "an Ethernet that a relay shares among all in the room",
  "tabs:NAME": "the same among the tabs of one browser",
  none: "nothing: the cable is out",
} as const satisfies Record<string, string>;

/** Letters, digits, dots, dashes and underscores, 64 at most: names cross URLs, subjects and messages as they are. */
export const ROOM_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const EXPECTED =
  "gateway, none, room:NAME or tabs:NAME, with up to 64 letters, digits, dots, dashes and underscores for a name";

/** The wire of a text that `wireType` has read. */
export function parseWire(wire: string): Wire {
  const [kind, name] = wire.split(":") as [Wire["kind"], string];
  return kind === "room" || kind === "tabs" ? { kind, name } : { kind };
}

/** The name of the room that a wire leads to; undefined for other wires. */
export function roomOf(wire: string): string | undefined {
  const parsed = parseWire(wire);
  return parsed.kind === "room" ? parsed.name : undefined;
}

/** `wire=…`, kept as its text. */
export const wireType: ValueType<string> = {
  syntax: "WIRE",
  parse(text) {
    if (text === "gateway" || text === "none") return text;
    const [, kind, name] = /^([^:]*):(.*)$/s.exec(text) ?? [];
    if ((kind === "room" || kind === "tabs") && ROOM_NAME.test(name!)) return text;
    throw new BadValue(EXPECTED, closest(text, KNOWN));
  },
  format: (wire) => wire,
};

const KNOWN = [
  { name: "gateway", akin: ["user", "slirp", "nat", "default", "on"] },
  { name: "none", akin: ["off", "unplugged", "no"] },
];

/** A MAC address of one host, kept in lower case with colons. */
export const macType: ValueType<string> = {
  syntax: "MAC",
  parse(text) {
    const bytes = /^([0-9a-f]{2})(?:[:-]([0-9a-f]{2})){5}$/i.test(text)
      ? text.toLowerCase().split(/[:-]/)
      : [];
    const isGroup = (parseInt(bytes[0] ?? "0", 16) & 1) === 1;
    if (bytes.length === 0 || isGroup || bytes.every((byte) => byte === "00")) {
      throw new BadValue("the MAC address of one host, such as 02:00:5e:10:00:01");
    }
    return bytes.join(":");
  },
  format: (mac) => mac,
};

/** URLs of relays, of which the first that answers is used. */
const MOST_RELAYS = 8;

/** `relay=…`: URLs with spaces between them, kept as text. */
export const relayType: ValueType<string> = {
  syntax: "URL",
  parse(text) {
    const urls = text.split(" ").filter((url) => url !== "");
    const wanted = `up to ${MOST_RELAYS} URLs of relays that begin with ws:// or wss://`;
    if (urls.length === 0 || urls.length > MOST_RELAYS || text.length > 2048) throw new BadValue(wanted);
    for (const url of urls) {
      const isWebSocket = URL.canParse(url) && ["ws:", "wss:"].includes(new URL(url).protocol);
      if (isWebSocket) continue;
      const isHttp = /^https?:\/\//.test(url);
      throw new BadValue(wanted, isHttp ? text.replace(url, url.replace(/^http/, "ws")) : undefined);
    }
    return urls.join(" ");
  },
  format: (relays) => relays,
};
