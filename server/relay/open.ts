import { readFile } from "node:fs/promises";
import { Log } from "./log.ts";
import { parseSecret, type RelaySettings } from "./options.ts";
import { Relay, type RelayOptions } from "./relay.ts";
import type { UplinkSettings } from "./uplink/options.ts";

/** The relay that a person's settings describe. Rejects with a plain sentence. */
export async function openRelay(settings: RelaySettings): Promise<Relay> {
  const { limits, origins, behindProxy, secretsFile, level, nats, url } = settings;
  const secrets = new Map([
    ...settings.secrets,
    ...(secretsFile === undefined ? [] : await readSecrets(secretsFile)),
  ]);
  const format = settings.format ?? (process.stderr.isTTY ? "plain" : "json");
  const log = new Log({ level, format, write: (line) => process.stderr.write(line) });
  const shareOver = nats === undefined ? undefined : await natsAt(nats, url);
  return new Relay({
    limits,
    doors: { origins, secrets, behindProxy },
    log,
    ...(shareOver && { shareOver }),
    ...(settings.uplink && (await wayOut(settings.uplink))),
  });
}

/** Its client is loaded by those only who want it. */
async function natsAt(
  server: string,
  url: string | undefined,
): Promise<NonNullable<RelayOptions["shareOver"]>> {
  const { NatsSharing } = await import("./nats/sharing.ts");
  return (parts) => new NatsSharing({ server, url, ...parts });
}

/** So is this. */
async function wayOut(settings: UplinkSettings): Promise<Pick<RelayOptions, "uplinkOf" | "uplinks">> {
  const { Uplink } = await import("./uplink/uplink.ts");
  const uplink = new Uplink(settings);
  return { uplinkOf: (room) => (settings.rooms.has(room) ? uplink : undefined), uplinks: [uplink] };
}

/** Lines of ROOM=TEXT, empty ones, and comments after #. */
async function readSecrets(file: string): Promise<[string, string][]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new Error(`The file of --secrets cannot be read: ${file}`, { cause });
  });
  return text
    .split(/\r?\n/)
    .map((line, index) => ({ line, where: `${file}, line ${index + 1}` }))
    .filter(({ line }) => !/^\s*(#|$)/.test(line))
    .map(({ line, where }) => parseSecret(line, where));
}
