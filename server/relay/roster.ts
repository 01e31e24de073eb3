import { type FromRelay, LONGEST_CONTROL, type Member as Entry } from "../../src/net/relay-protocol.ts";

/** Milliseconds from a change to the message about it: several become one, and hostile members cause few. */
export const ROSTER_DELAY = 100;

/** A message with all members of a room, that fits {@link LONGEST_CONTROL} whatever they have: with fewer addresses if need be. */
export function rosterMessage(message: FromRelay & { members: Entry[] }): string {
  for (const most of [Infinity, 2, 1, 0]) {
    const members = message.members.map((member) => ({
      ...member,
      macs: member.macs.slice(0, most),
      addresses: member.addresses.slice(0, most),
    }));
    const text = JSON.stringify({ ...message, members });
    // A letter is at most three bytes in UTF-8, a pair of surrogates four.
    if (text.length * 3 <= LONGEST_CONTROL || Buffer.byteLength(text) <= LONGEST_CONTROL) return text;
  }
  return JSON.stringify({ ...message, members: [] });
}
