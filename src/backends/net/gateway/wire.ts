import { destinationOf, isGroup } from "../../../net/ethernet.ts";
import { HEADER } from "../../../net/packet.ts";
import type { NetPort } from "../../../virtio/net-backend.ts";
import type { NamedValue } from "../../../virtio/view/types.ts";
import { wireState } from "../state.ts";
import type { Wire, WireStatus } from "../wire.ts";
import { allDrops } from "./drops.ts";
import { Gateway } from "./gateway.ts";

export interface GatewayWireOptions {
  /** Bytes of an Ethernet frame's payload. */
  mtu: number;
  /** There is a way out over HTTP, with this fetch. */
  http: boolean;
  fetch?: typeof fetch;
  /** Whether the page that the machine runs in came over https; undefined when it runs in none. */
  pageIsSecure?: boolean | undefined;
  /** A host name for a guest that brings none of its own. */
  name?: string | undefined;
}

/** A wire with a gateway at its other end, and nobody else. */
export class GatewayWire implements Wire {
  onStatus: ((status: WireStatus) => void) | undefined;
  readonly #gateway: Gateway;
  readonly #counters = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, losses: 0 };
  readonly #since = Date.now();
  #port: NetPort | undefined;
  #lease: WireStatus["lease"];
  /** For somebody who is not there. */
  #lost = 0;

  constructor(options: GatewayWireOptions) {
    this.#gateway = new Gateway({
      ...options,
      mac: () => this.#port!.mac,
      names: () => [],
      onLease: (lease) => {
        this.#lease = lease;
        this.onStatus?.(this.status);
      },
      toGuest: (packet) => {
        this.#counters.packetsIn++;
        this.#counters.bytesIn += packet.length - HEADER;
        return this.#port?.receive(packet);
      },
    });
  }

  get status(): WireStatus {
    return {
      state: "up",
      since: this.#since,
      reason: undefined,
      retryAt: undefined,
      relay: undefined,
      self: undefined,
      members: [],
      lease: this.#lease,
      counters: { ...this.#counters, dropped: this.#lost + allDrops(this.#gateway.drops) },
    };
  }

  state(): NamedValue[] {
    return wireState("gateway", this.status);
  }

  connect(port: NetPort): void {
    this.#port = port;
    port.setLink(true);
  }

  /** Has always room: what the gateway keeps is bounded by its windows. */
  send(packet: Uint8Array): undefined {
    this.#counters.packetsOut++;
    this.#counters.bytesOut += Math.max(packet.length - HEADER, 0);
    // A group is nobody here, but that is no loss.
    if (!this.#gateway.handle(packet) && !isGroup(destinationOf(packet))) this.#lost++;
  }

  resume(): void {
    this.#gateway.resume();
  }

  dispose(): Promise<void> {
    this.#gateway.dispose();
    this.#port = undefined;
    return Promise.resolve();
  }
}
