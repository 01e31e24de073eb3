import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { LONGEST_URL } from "./limits.ts";
import type { Refusal } from "./metrics.ts";
import type { CloseCode } from "../../src/net/relay-protocol.ts";
import { isSameHost } from "./origin.ts";

/** Who may come in. */
export interface Doors {
  /** Pages from these origins may, besides those from the relay's own host; "*": from everywhere. */
  origins: readonly string[];
  /** By room. A room that is not in it has none, and who brings one is refused: nobody shall think that it keeps others out. */
  secrets: ReadonlyMap<string, string>;
  /** The connections come from a proxy, which says in X-Forwarded-For who is behind it. */
  behindProxy: boolean;
}

/** Why not: a close code and a sentence that the person who tries gets to see. */
export interface Refused {
  why: Refusal;
  code: keyof typeof CloseCode;
  reason: string;
}

/** As src/config has it: a name crosses URLs, messages and (with its dots replaced) subjects as it is. */
const ROOM_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The name of the room that a request may enter, or why it may not. The request's URL is not longer than {@link LONGEST_URL}. */
export function admit(request: IncomingMessage, doors: Doors): string | Refused {
  const { origin } = request.headers;
  if (origin !== undefined && !isAllowed(origin, request, doors)) {
    return {
      why: "origin",
      code: "origin",
      reason: `This relay does not take pages from ${origin.slice(0, 60)}; --origin allows them.`,
    };
  }
  const query = new URLSearchParams(request.url!.slice(0, LONGEST_URL).split("?")[1]);
  const room = query.get("room") ?? "";
  if (!ROOM_NAME.test(room)) {
    const reason = "A room's name has 1 to 64 letters, digits, dots, dashes and underscores: ?room=NAME.";
    return { why: "name", code: "name", reason };
  }
  const wanted = doors.secrets.get(room);
  const given = query.get("secret") ?? "";
  if (wanted === undefined ? given === "" : isSame(given, wanted)) return room;
  return {
    why: "secret",
    code: "secret",
    reason:
      wanted === undefined
        ? "This relay has no secret for that room: whoever runs it sets one with --secret."
        : "The room has another secret.",
  };
}

function isAllowed(origin: string, request: IncomingMessage, { origins, behindProxy }: Doors): boolean {
  if (origins.includes("*") || origins.includes(origin)) return true;
  return isSameHost(origin, request.headers.host ?? "", request.socket.localAddress, behindProxy);
}

/** In a time that tells nothing of either text. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
