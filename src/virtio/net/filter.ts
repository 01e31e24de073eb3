import { EtherType, isGroup } from "../../net/ethernet.ts";
import { get16, get32 } from "../../net/bytes.ts";
import { ETHERNET, HEADER } from "../../net/packet.ts";

/** MAC addresses of one kind that are filtered by; of a longer list everything of that kind is let through (5.1.6.5.2). */
export const MOST_ADDRESSES = 256;

/**
 * Which packets the driver wants to have (5.1.6.5.1 to 5.1.6.5.3). It filters by destination only after VIRTIO_NET_F_CTRL_RX:
 * a driver without cannot ask for more than its own, and sorts for itself.
 */
export class ReceiveFilter {
  promiscuous = false;
  allMulticast = false;
  allUnicast = false;
  noMulticast = false;
  noUnicast = false;
  noBroadcast = false;
  /** VIRTIO_NET_F_CTRL_RX was negotiated. */
  byAddress = false;
  /** VIRTIO_NET_F_CTRL_VLAN was negotiated. */
  byVlan = false;
  /** A list of the driver's own; undefined when that was too long. */
  #unicast: ReadonlySet<number> | undefined = NONE;
  #multicast: ReadonlySet<number> | undefined = NONE;
  #vlans = new Uint32Array(VLANS / 32);

  /** As after a reset of the device (5.1.6.5.2.1, 5.1.6.5.3). */
  reset(): void {
    this.promiscuous = this.allMulticast = this.allUnicast = false;
    this.noMulticast = this.noUnicast = this.noBroadcast = false;
    this.byAddress = this.byVlan = false;
    this.#unicast = this.#multicast = NONE;
    this.#vlans.fill(0);
  }

  setAddresses(unicast: ReadonlySet<number> | undefined, multicast: ReadonlySet<number> | undefined): void {
    this.#unicast = unicast;
    this.#multicast = multicast;
  }

  /** @param id 0 to 4095. */
  setVlan(id: number, wanted: boolean): void {
    if (wanted) this.#vlans[id >> 5]! |= 1 << (id & 31);
    else this.#vlans[id >> 5]! &= ~(1 << (id & 31));
  }

  /** Whether a packet with a whole Ethernet header goes to a driver with the address `own`. */
  accepts(packet: Uint8Array, own: Uint8Array): boolean {
    if (this.promiscuous) return true;
    if (this.byVlan && !this.#acceptsTag(packet)) return false;
    if (!this.byAddress) return true;
    const destination = packet.subarray(HEADER, HEADER + 6);
    const address = addressNumber(destination, 0);
    if (address === BROADCAST) return !this.noBroadcast;
    if (isGroup(destination)) {
      return !this.noMulticast && (this.allMulticast || (this.#multicast?.has(address) ?? true));
    }
    if (this.noUnicast) return false;
    return this.allUnicast || address === addressNumber(own, 0) || (this.#unicast?.has(address) ?? true);
  }

  /** Untagged packets are no matter of VLANs. */
  #acceptsTag(packet: Uint8Array): boolean {
    if (get16(packet, HEADER + 12) !== EtherType.VLAN || packet.length < HEADER + ETHERNET + 2) return true;
    const id = get16(packet, HEADER + ETHERNET) & (VLANS - 1);
    return ((this.#vlans[id >> 5]! >>> (id & 31)) & 1) === 1;
  }
}

/** A MAC address at `at` as a number of 48 bits. */
export function addressNumber(bytes: Uint8Array, at: number): number {
  return get16(bytes, at) * 2 ** 32 + get32(bytes, at + 2);
}

const VLANS = 4096;
const BROADCAST = 2 ** 48 - 1;
const NONE: ReadonlySet<number> = new Set();
