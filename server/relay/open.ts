import { readFile } from "node:fs/promises";
import { Log } from "./log.ts";
import { parseSecret, type RelaySettings } from "./options.ts";
import { Relay } from "./relay.ts";

/** The relay that a person's settings describe. Rejects with a plain sentence. */
export async function openRelay(settings: RelaySettings): Promise<Relay> {
  const { limits, origins, behindProxy, secretsFile, level } = settings;
  const secrets = new Map([
    ...settings.secrets,
    ...(secretsFile === undefined ? [] : await readSecrets(secretsFile)),
  ]);
  const format = settings.format ?? (process.stderr.isTTY ? "plain" : "json");
  const log = new Log({ level, format, write: (line) => process.stderr.write(line) });
  return new Relay({ limits, doors: { origins, secrets, behindProxy }, log });
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
