import { parseArgs } from "node:util";
import { RELAY_HELP, RELAY_OPTIONS, relaySettings, type RelaySettings } from "./relay/options.ts";

export interface ServerOptions {
  host: string;
  port: number;
  /** The person asked for this port: do not silently take another. */
  portChosen: boolean;
  help: boolean;
  relay: RelaySettings;
}

export const defaultPort = 8086;

export const usage = `Serves Ringside on this computer.

  npm start -- [--port PORT] [--host HOST] [options of the relay]

  --port PORT   the port to listen on (also the PORT environment variable). Default: ${defaultPort},
                or the next free one
  --host HOST   the address to listen on. Default: 127.0.0.1, which only this computer reaches. Other computers can load the
                page only over HTTPS, through a proxy of yours: browsers keep workers' locks and checksums to secure pages
  --help        this text

The relay is at /relay, for machines with wire=room:NAME. Its options:

${RELAY_HELP}
`;

/** Reads the command line and the environment. Throws an Error with a plain sentence on what it does not understand. */
export function parseOptions(args: readonly string[], environment: NodeJS.ProcessEnv): ServerOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...RELAY_OPTIONS,
      port: { type: "string" },
      host: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const port = values.port ?? (environment.PORT === "" ? undefined : environment.PORT);
  return {
    host: values.host ?? "127.0.0.1",
    port: port === undefined ? defaultPort : parsePort(port),
    portChosen: port !== undefined,
    help: values.help ?? false,
    relay: relaySettings(values, environment),
  };
}

/** Throws an Error with a plain sentence. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535) {
    throw new Error(`"${text}" is no port: expected a number from 0 to 65535 (0 takes any free one).`);
  }
  return port;
}
