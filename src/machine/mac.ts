import type { NetConfig } from "../config/types.ts";

/** The MAC address of a network device: the configured one, or a random one that nobody administers (IEEE 802). */
export function macOf({ mac }: NetConfig): Uint8Array {
  if (mac !== undefined) return Uint8Array.from(mac.split(":"), (byte) => parseInt(byte, 16));
  const random = crypto.getRandomValues(new Uint8Array(6));
  random[0] = (random[0]! & ~GROUP) | LOCAL;
  return random;
}

const GROUP = 1;
const LOCAL = 2;
