/** The network for a person, in words. */
import { parseWire } from "../../config/wire.ts";
import type { Member, WireStatus } from "../../worker/protocol.ts";

/**
 * What a network device is plugged into, as at the beginning of a sentence: `Room “blue” at relay.example`.
 *
 * @param relay the relay's URL
 * @param page the page's own host, whose relay needs no name
 */
export function wireWords(wire: string, relay: string | undefined, page: string): string {
  const parsed = parseWire(wire);
  switch (parsed.kind) {
    case "none":
      return "Not plugged in";
    case "gateway":
      return "Gateway in this page";
    case "tabs":
      return `Tabs “${parsed.name}” of this browser`;
    case "room": {
      const host = relay === undefined || !URL.canParse(relay) ? page : new URL(relay).host;
      return `Room “${parsed.name}” ${host === page ? "at this page's relay" : `at ${host}`}`;
    }
  }
}

/** The wire's state in a word or two. */
export function stateWords(wire: string, { state }: WireStatus): string {
  if (wire === "none") return "No cable";
  switch (state) {
    case "up":
      return "Connected";
    case "connecting":
      return "Connecting";
    case "down":
      return "Down";
  }
}

/** Why it is not up and what happens next, as sentences; empty while there is nothing to say. @param now since 1970, ms */
export function stateReason({ state, reason, retryAt }: WireStatus, now: number): string {
  if (state === "up") return "";
  const seconds = retryAt === undefined ? 0 : Math.ceil((retryAt - now) / 1000);
  const next =
    state === "connecting" && retryAt !== undefined
      ? seconds > 0
        ? `It tries again in ${seconds} s.`
        : "It tries again now."
      : "";
  return [reason ?? "", next].filter((sentence) => sentence !== "").join(" ");
}

/** Addresses of the guest behind a wire: what the gateway gave it, else what its room sees it use. */
export function guestAddresses({ lease, self, members }: WireStatus): readonly string[] {
  if (lease) return [lease.address];
  return members.find(({ id }) => id === self)?.addresses ?? [];
}

/** Those in the room, this machine first, then by when they came. */
export function roster({ self, members }: WireStatus): Member[] {
  const rank = (member: Member): number => (member.id === self ? 0 : 1);
  return [...members].sort((a, b) => rank(a) - rank(b) || a.since - b.since);
}
