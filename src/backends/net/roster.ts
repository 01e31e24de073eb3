import { type FromRelay, LONGEST_CONTROL, type Member } from "../../net/relay-protocol.ts";

/** What a room takes of a relay's word. */
const MOST_MEMBERS = 256;
const MOST_OTHERS = 8;
const MOST_MACS = 16;
const MOST_ADDRESSES = 8;
const LONGEST_NAME = 64;
const LONGEST_URL = 512;

/** What a relay said, with every value checked; `other`: something that this version does not know. */
export type Said =
  | { type: "welcome"; id: string; frame: number; others: string[]; uplink: boolean; members: Member[] }
  | { type: "members"; members: Member[]; others: string[] | undefined }
  | { type: "leaving" | "pong" | "other" };

/** Undefined when it is not what the protocol has. Of rosters only the entries that make no sense are left out. */
export function parseSaid(text: string): Said | undefined {
  if (text.length > LONGEST_CONTROL) return undefined;
  let message: Loose<FromRelay>;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    message = parsed;
  } catch {
    return undefined;
  }
  switch (message.type) {
    case "welcome":
      return parseWelcome(message);
    case "members": {
      const members = parseMembers(message.members);
      const others = message.others === undefined ? undefined : parseOthers(message.others);
      return members && { type: "members", members, others };
    }
    case "leaving":
    case "pong":
      return { type: message.type };
    default:
      return typeof message.type === "string" ? { type: "other" } : undefined;
  }
}

/** Anything may be in it. */
type Loose<T> = Partial<Record<T extends unknown ? keyof T : never, unknown>>;

function parseWelcome({ id, frame, others, uplink, members }: Loose<FromRelay>): Said | undefined {
  const roster = parseMembers(members);
  if (!isText(id) || !Number.isSafeInteger(frame) || (frame as number) < 60 || !roster) return undefined;
  return {
    type: "welcome",
    id,
    frame: frame as number,
    others: parseOthers(others),
    uplink: uplink === true,
    members: roster,
  };
}

function parseOthers(others: unknown): string[] {
  if (!Array.isArray(others)) return [];
  return others
    .slice(0, MOST_OTHERS)
    .filter((url): url is string => typeof url === "string" && url.length <= LONGEST_URL);
}

function parseMembers(members: unknown): Member[] | undefined {
  if (!Array.isArray(members)) return undefined;
  const ids = new Set<string>();
  return members.slice(0, MOST_MEMBERS).flatMap((entry: unknown) => {
    const member = parseMember(entry);
    if (!member || ids.has(member.id)) return [];
    ids.add(member.id);
    return [member];
  });
}

/** Also for what other tabs say of themselves. */
export function parseMember(entry: unknown): Member | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { id, name, macs, addresses, since, plain } = entry as Loose<Member>;
  if (!isText(id) || typeof name !== "string") return undefined;
  return {
    id,
    name: shownName(name),
    macs: texts(macs, MAC, MOST_MACS),
    addresses: texts(addresses, ADDRESS, MOST_ADDRESSES),
    since: typeof since === "number" && Number.isFinite(since) ? since : 0,
    plain: plain === true,
  };
}

/** Without what could confuse a terminal or a reader: control characters, changes of direction. */
export function shownName(name: string): string {
  return name
    .slice(0, LONGEST_NAME)
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim();
}

/** A sentence that a relay gives for a person, or undefined when it gives none. */
export function shownReason(reason: string): string | undefined {
  const shown = reason
    .slice(0, 200)
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim();
  return shown === "" ? undefined : shown;
}

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const ADDRESS = /^[0-9a-f:.]{2,45}$/;

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 64;
}

function texts(values: unknown, pattern: RegExp, most: number): string[] {
  if (!Array.isArray(values)) return [];
  return values
    .slice(0, most)
    .filter((value): value is string => typeof value === "string" && pattern.test(value));
}
