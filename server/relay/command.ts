/** `ringside relay`: the relay alone, without the page. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { listen } from "../listen.ts";
import { parsePort } from "../options.ts";
import { stopOnSignals } from "../stop.ts";
import { serveUpgrades } from "../upgrades.ts";
import { openRelay } from "./open.ts";
import { RELAY_HELP, RELAY_OPTIONS, relaySettings } from "./options.ts";
import type { Relay } from "./relay.ts";

const DEFAULT_PORT = 8086;

const USAGE = `Rooms for machines with wire=room:NAME: Ethernet over WebSocket, at ws://HOST:PORT/relay?room=NAME.
It answers /health and /metrics as well. docs/RELAY.md has the protocol, the limits and how to run it for others.

  ringside relay [options]

  --port PORT                   the port to listen on (also PORT); ${DEFAULT_PORT} unless given
  --host HOST                   the address to listen on; 127.0.0.1 unless given, which only this computer reaches
${RELAY_HELP}
  --help                        this text
`;

/** Milliseconds for the headers of a request to come. */
const HEADERS_WITHIN = 10_000;

/** Connections beside members': for /health, /metrics, and those that are refused. */
const MORE_CONNECTIONS = 256;

/** Runs it until a signal ends it. Resolves with the exit status, 2 where the command line makes no sense; never rejects. */
export async function relayCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  let options;
  try {
    options = parse(args, environment);
  } catch (error) {
    return failed(error, 2);
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    await run(options);
    return 0;
  } catch (error) {
    return failed(error, 1);
  }
}

function parse(args: readonly string[], environment: NodeJS.ProcessEnv) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...RELAY_OPTIONS,
      host: { type: "string" },
      port: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const port = values.port ?? (environment.PORT === "" ? undefined : environment.PORT);
  return {
    help: values.help,
    host: values.host ?? "127.0.0.1",
    port: port === undefined ? DEFAULT_PORT : parsePort(port),
    settings: relaySettings(values, environment),
  };
}

async function run({ host, port, settings }: ReturnType<typeof parse>): Promise<void> {
  const relay = await openRelay(settings);
  const server = createRelayServer(relay, settings.limits.members + MORE_CONNECTIONS);
  let address: AddressInfo;
  try {
    address = await listen(server, { host, port, alternatives: 0 });
  } catch (error) {
    await relay.close();
    throw error;
  }
  process.stdout.write(`The relay is at ${urlOf(address)}   (Ctrl-C stops it)\n`);
  await stopOnSignals(server, [relay]);
}

function failed(error: unknown, status: number): number {
  process.stderr.write(`ringside relay: ${error instanceof Error ? error.message : String(error)}\n`);
  return status;
}

/** An HTTP server that has nothing but the relay; not yet listening. */
export function createRelayServer(relay: Relay, mostConnections: number): Server {
  const server = createServer((request, response) => {
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (relay.answer(request, response)) return;
    response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" });
    response.end(`Members connect to ${relay.path} by WebSocket.\n`);
  });
  server.headersTimeout = server.requestTimeout = HEADERS_WITHIN;
  server.maxConnections = mostConnections;
  serveUpgrades(server, [relay]);
  return server;
}

function urlOf({ address, port, family }: AddressInfo): string {
  return `ws://${family === "IPv6" ? `[${address}]` : address}:${port}/relay`;
}
