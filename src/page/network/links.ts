/** Links to machines on other wires than this page's. */
import { encode } from "../../config/escape.ts";
import { parseConfig } from "../../config/grammar.ts";
import { STANDARD_NIC } from "../../config/defaults.ts";
import type { MachineConfig, NetConfig } from "../../config/types.ts";

/** What a form asks for: words of the grammar, empty for the standard value. */
export interface Plug {
  wire: string;
  relay: string;
  secret: string;
}

/**
 * The same machine for somebody else, who joins its room: without what has to be this machine's alone, its MAC address and
 * its name. The secret goes along only when asked for, for a link is passed on more easily than a secret should be.
 */
export function invitation(config: MachineConfig, id: string, withSecret: boolean): MachineConfig {
  return withNic(config, id, (nic) => ({
    ...nic,
    mac: STANDARD_NIC.mac,
    name: STANDARD_NIC.name,
    secret: withSecret ? nic.secret : STANDARD_NIC.secret,
  }));
}

/**
 * The machine with its network device `id` plugged in elsewhere; one that has none gets one. Throws a ConfigError, as the
 * grammar does, for a plug that is none.
 */
export function rewired(config: MachineConfig, id: string, { wire, relay, secret }: Plug): MachineConfig {
  const isRoom = wire.startsWith("room:");
  const words = [
    `wire=${encode(wire, "&,")}`,
    ...(isRoom && relay !== "" ? [`relay=${encode(relay, "&,")}`] : []),
    ...(isRoom && secret !== "" ? [`secret=${encode(secret, "&,")}`] : []),
  ];
  const [plug] = parseConfig(`device=none&device=net,${words.join(",")}`).devices as [NetConfig];
  const present = nicOf(config, id);
  if (!present) return { ...config, devices: [...config.devices, { ...plug, id }] };
  return withNic(config, id, (nic) => ({
    ...nic,
    wire: plug.wire,
    relay: plug.relay,
    secret: plug.secret,
  }));
}

/** Words that a form begins with. */
export function plugOf(config: MachineConfig, id: string): Plug {
  const nic = nicOf(config, id);
  return { wire: nic?.wire ?? STANDARD_NIC.wire, relay: nic?.relay ?? "", secret: nic?.secret ?? "" };
}

export function nicOf(config: MachineConfig, id: string): NetConfig | undefined {
  return config.devices.find((device): device is NetConfig => device.device === "net" && device.id === id);
}

function withNic(config: MachineConfig, id: string, change: (nic: NetConfig) => NetConfig): MachineConfig {
  const devices = config.devices.map((device) =>
    device.device === "net" && device.id === id ? change(device) : device,
  );
  return { ...config, devices };
}

/** 32 of those that are not taken for one another. */
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";

/** A name for a room that nobody else will think of (40 bits): who knows it can come in. */
export function newRoomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => LETTERS[byte & 31]).join("");
}
