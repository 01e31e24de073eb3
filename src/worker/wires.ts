/** What the browser has to plug virtio-net devices into. */
import { Front } from "../backends/net/front.ts";
import { GatewayWire, type GatewayWireOptions } from "../backends/net/gateway/wire.ts";
import { NoWire } from "../backends/net/none.ts";
import { Room } from "../backends/net/room.ts";
import { Tabs } from "../backends/net/tabs.ts";
import type { SharedWire, Wire } from "../backends/net/wire.ts";
import type { MachineConfig, NetConfig } from "../config/types.ts";
import { parseWire } from "../config/wire.ts";
import { openSocket } from "./socket.ts";

export type Wires = Map<string, Wire>;

/**
 * The wires of a machine's network devices, by identifier. A room connects by itself and keeps trying; its status tells.
 *
 * @param site where the page's files are served from: there is the relay of rooms that name none
 */
export function openWires(config: MachineConfig, site: URL): Wires {
  const devices = config.devices.filter((device) => device.device === "net");
  return new Map(devices.map((device) => [device.id, openWire(device, site)]));
}

export async function closeWires(wires: Wires): Promise<void> {
  await Promise.all([...wires.values()].map((wire) => wire.dispose()));
}

function openWire(config: NetConfig, site: URL): Wire {
  const wire = parseWire(config.wire);
  switch (wire.kind) {
    case "none":
      return new NoWire();
    case "gateway":
      return new GatewayWire(gatewayOptions(config, site));
    case "room": {
      const { relay = relayOf(site), secret, name } = config;
      const where = { room: wire.name, relays: relay.split(" "), secret, name };
      return inFront(config, site, new Room({ ...where, open: openSocket, whenOnline }));
    }
    case "tabs":
      return inFront(config, site, new Tabs({ channel: wire.name, name: config.name }));
  }
}

function inFront(config: NetConfig, site: URL, wire: SharedWire): Wire {
  return config.gateway ? new Front(wire, gatewayOptions(config, site)) : wire;
}

function gatewayOptions({ mtu, http, name }: NetConfig, site: URL): GatewayWireOptions {
  // Called as a function of its own, which the browser's does not take from anybody else's object.
  const fetch_: typeof fetch = (...request) => fetch(...request);
  return { mtu, http, name, fetch: fetch_, pageIsSecure: site.protocol === "https:" };
}

function whenOnline(tell: () => void): () => void {
  addEventListener("online", tell);
  return () => removeEventListener("online", tell);
}

/** The relay that the page's own server has. */
function relayOf(site: URL): string {
  const url = new URL("/relay", site);
  url.protocol = site.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
