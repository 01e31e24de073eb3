import { Front } from "../backends/net/front.ts";
import { GatewayWire, type GatewayWireOptions } from "../backends/net/gateway/wire.ts";
import { NoWire } from "../backends/net/none.ts";
import { Room } from "../backends/net/room.ts";
import { Tabs } from "../backends/net/tabs.ts";
import { watchWire } from "../backends/net/watch.ts";
import type { SharedWire, Wire } from "../backends/net/wire.ts";
import type { MachineConfig, NetConfig } from "../config/types.ts";
import { parseWire } from "../config/wire.ts";
import { openSocket } from "./socket.ts";

/** Where a room is that no relay is named for: `ringside relay` on this computer. */
const STANDARD_RELAY = "ws://localhost:8086/relay";

export interface WireSurroundings {
  /** When a room is lost, and when it is back. */
  onMessage?: ((level: "info" | "warning" | "error", text: string) => void) | undefined;
}

/**
 * What each network device of a machine is plugged into, by the device's id. A room connects by itself and keeps trying: what
 * goes wrong is in the wire's status and goes to `onMessage`. Tabs are the machines of this process.
 */
export function openWires(config: MachineConfig, { onMessage }: WireSurroundings): Map<string, Wire> {
  const wires = new Map<string, Wire>();
  for (const device of config.devices) {
    if (device.device !== "net") continue;
    const wire = openWire(device);
    wires.set(device.id, onMessage ? watchWire(wire, `${device.id}, ${device.wire}`, onMessage) : wire);
  }
  return wires;
}

export async function closeWires(wires: ReadonlyMap<string, Wire>): Promise<void> {
  await Promise.all([...wires.values()].map((wire) => wire.dispose()));
}

function openWire(config: NetConfig): Wire {
  const wire = parseWire(config.wire);
  switch (wire.kind) {
    case "none":
      return new NoWire();
    case "gateway":
      return new GatewayWire(gatewayOptions(config));
    case "room": {
      const { relay = STANDARD_RELAY, secret, name } = config;
      const room = new Room({ room: wire.name, relays: relay.split(" "), secret, name, open: openSocket });
      return inFront(config, room);
    }
    case "tabs":
      return inFront(config, new Tabs({ channel: wire.name, name: config.name }));
  }
}

function inFront(config: NetConfig, wire: SharedWire): Wire {
  return config.gateway ? new Front(wire, gatewayOptions(config)) : wire;
}

function gatewayOptions({ mtu, http, name }: NetConfig): GatewayWireOptions {
  return { mtu, http, name, fetch };
}
