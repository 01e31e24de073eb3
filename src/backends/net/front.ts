import { sameBytes } from "../../net/bytes.ts";
import { sourceOf } from "../../net/ethernet.ts";
import type { NetPort } from "../../virtio/net-backend.ts";
import { GATEWAY_MAC } from "./gateway/addresses.ts";
import { allDrops } from "./gateway/drops.ts";
import { Gateway, type Host } from "./gateway/gateway.ts";
import type { GatewayWireOptions } from "./gateway/wire.ts";
import type { SharedWire, Wire, WireStatus } from "./wire.ts";

/**
 * A gateway between a guest and a wire that it shares with others. What the guest says to its gateway never gets there, and
 * while somebody there gives addresses (a room's uplink) the gateway is not there at all. Carrier is the wire's.
 */
export class Front implements Wire, NetPort {
  onStatus: ((status: WireStatus) => void) | undefined;
  readonly #wire: SharedWire;
  readonly #gateway: Gateway;
  #port: NetPort | undefined;
  #lease: WireStatus["lease"];
  #hosts: readonly Host[] = [];
  /** Packets from others that pretend to come from the gateway. */
  #forged = 0;
  #isAside = false;

  /** The front disposes of the wire. */
  constructor(wire: SharedWire, options: GatewayWireOptions) {
    this.#wire = wire;
    this.#gateway = new Gateway({
      ...options,
      mac: () => this.mac,
      names: () => this.#hosts,
      onLease: (lease) => {
        this.#lease = lease;
        this.onStatus?.(this.status);
      },
      toGuest: (packet) => this.#port?.receive(packet),
    });
    wire.onStatus = () => this.#onStatus();
  }

  get status(): WireStatus {
    const { counters, ...status } = this.#wire.status;
    const dropped = counters.dropped + this.#forged + allDrops(this.#gateway.drops);
    return { ...status, lease: this.#lease, counters: { ...counters, dropped } };
  }

  connect(port: NetPort): void {
    this.#port = port;
    this.#wire.connect(this);
  }

  send(packet: Uint8Array): Promise<void> | undefined {
    if (!this.#isAside && this.#gateway.handle(packet)) return undefined;
    return this.#wire.send(packet);
  }

  resume(): void {
    this.#gateway.resume();
    this.#wire.resume();
  }

  async dispose(): Promise<void> {
    this.onStatus = undefined;
    this.#gateway.dispose();
    await this.#wire.dispose();
    this.#port = undefined;
  }

  // ---- what the wire calls ----

  get mac(): Uint8Array {
    return this.#port!.mac;
  }

  receive(packet: Uint8Array): boolean {
    if (!this.#port) return true;
    if (!this.#isAside) {
      if (sameBytes(sourceOf(packet), GATEWAY_MAC)) {
        this.#forged++;
        return true;
      }
      this.#gateway.observe(packet);
    }
    return this.#port.receive(packet);
  }

  setLink(up: boolean): void {
    this.#port?.setLink(up);
  }

  announce(): void {
    this.#port?.announce();
  }

  #onStatus(): void {
    const { hasUplink, status } = this.#wire;
    if (status.state === "up" && hasUplink !== this.#isAside) {
      this.#isAside = hasUplink;
      if (hasUplink) this.#gateway.reset();
    }
    this.#hosts = hostsOf(status);
    this.onStatus?.(this.status);
  }
}

/** The others in the room, by what its DNS shall call them. */
function hostsOf({ self, members }: WireStatus): Host[] {
  return members
    .filter(({ id }) => id !== self)
    .flatMap(({ name, addresses }) => addresses.map((address) => ({ name, address })));
}
