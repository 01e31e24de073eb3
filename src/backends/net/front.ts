import { parseAddress } from "../../net/address.ts";
import { ArpOperation, arpPacket } from "../../net/arp.ts";
import { sameBytes } from "../../net/bytes.ts";
import { BROADCAST, sourceOf } from "../../net/ethernet.ts";
import type { NetPort } from "../../virtio/net-backend.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
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
  #isUp = false;

  /** The front disposes of the wire. */
  constructor(wire: SharedWire, options: GatewayWireOptions) {
    this.#wire = wire;
    this.#gateway = new Gateway({
      ...options,
      mac: () => this.mac,
      names: () => this.#hosts,
      onLease: (lease) => {
        this.#lease = lease;
        this.#introduce();
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

  state(): NamedValue[] {
    const own = this.#wire.state?.() ?? [];
    const gateway = this.#isAside ? "aside, for there is an uplink" : "in front of the wire";
    const lease = this.#lease ? [{ name: "lease", value: this.#lease.address }] : [];
    return [...own, { name: "gateway", value: gateway }, ...lease];
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

  /** The others hear who has that address now (RFC 5227, 2.3): a guest that speaks only to its gateway would not be known to them. */
  #introduce(): void {
    const address = this.#lease && parseAddress(this.#lease.address);
    if (!address || this.#wire.status.state !== "up") return;
    const arp = { senderMac: this.mac, senderAddress: address, targetMac: NOBODY, targetAddress: address };
    void this.#wire.send(arpPacket(BROADCAST, { operation: ArpOperation.REQUEST, ...arp }));
  }

  #onStatus(): void {
    const { hasUplink, status } = this.#wire;
    const isUp = status.state === "up";
    if (isUp !== this.#isUp) {
      this.#isUp = isUp;
      this.#introduce();
    }
    if (isUp && hasUplink !== this.#isAside) {
      this.#isAside = hasUplink;
      if (hasUplink) this.#gateway.reset();
    }
    this.#hosts = hostsOf(status);
    this.onStatus?.(this.status);
  }
}

const NOBODY = new Uint8Array(6);

/** The others in the room, by what its DNS shall call them. */
function hostsOf({ self, members }: WireStatus): Host[] {
  return members
    .filter(({ id }) => id !== self)
    .flatMap(({ name, addresses }) => addresses.map((address) => ({ name, address })));
}
