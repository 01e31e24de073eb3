import type { NamedValue } from "./view/types.ts";

/**
 * What a network device is plugged into: the host's end of its wire. Packets are arrays as src/net/packet.ts describes, and
 * belong to whom they are given.
 */
export interface NetBackend {
  /** Called once, before anything else; the device's end. A wire may call it at any time from then on until `dispose`. */
  connect(port: NetPort): void;
  /**
   * A packet from the driver. The device has checked its header against its frame (5.1.6.2): a wire may rely on that.
   * Returns undefined when the wire has room for more; otherwise a promise, until whose end the device leaves what comes next
   * in the driver's queue. What is sent all the same the wire may drop. Never throws; the promise never rejects.
   */
  send(packet: Uint8Array): Promise<void> | undefined;
  /** `NetPort.receive` returned false, and there is room again. */
  resume(): void;
  /** What it is and does, for people who look at the machine. Called often: cheap. */
  state?(): NamedValue[];
  /** Closes it. */
  dispose(): Promise<void>;
}

/** What a network device is for its wire. */
export interface NetPort {
  /** The MAC address that the driver uses now, 6 bytes; do not change or keep them. */
  readonly mac: Uint8Array;
  /**
   * A packet for the driver. False: it was taken, and the wire should hold back what follows until `resume`. A wire that
   * cannot goes on; beyond its bound the device drops and counts.
   */
  receive(packet: Uint8Array): boolean;
  /** Carrier: VIRTIO_NET_S_LINK_UP (5.1.4). Down until the wire says otherwise. */
  setLink(up: boolean): void;
  /** The way to the others has changed: has the guest make itself known (VIRTIO_NET_S_ANNOUNCE, 5.1.6.5.4). */
  announce(): void;
}
