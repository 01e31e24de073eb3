import type { NetPort } from "../../virtio/net-backend.ts";
import type { NamedValue } from "../../virtio/view/types.ts";
import { wireState } from "./state.ts";
import { noWireCounters, type Wire, type WireStatus } from "./wire.ts";

/** A cable that is out. */
export class NoWire implements Wire {
  onStatus: ((status: WireStatus) => void) | undefined;
  readonly status: WireStatus = {
    state: "down",
    since: Date.now(),
    reason: undefined,
    retryAt: undefined,
    relay: undefined,
    self: undefined,
    members: [],
    lease: undefined,
    counters: noWireCounters(),
  };

  state(): NamedValue[] {
    return wireState("none", this.status);
  }

  connect(port: NetPort): void {
    port.setLink(false);
  }

  /** Without carrier the device sends nothing. */
  send(): undefined {
    this.status.counters.dropped++;
  }

  resume(): void {
    // It never had anything to hold back.
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}
