import type { Virtqueue } from "../queue.ts";
import type { ChainReader, DescriptorChain } from "../ring/chain.ts";
import { Feature, NetControl } from "../spec.ts";
import type { Rule } from "../strict/sentences.ts";
import { addressNumber, MOST_ADDRESSES, type ReceiveFilter } from "./filter.ts";
import { GUEST_OFFLOADS } from "./model.ts";

/** What the control queue needs of its device. */
export interface ControlOwner {
  readonly filter: ReceiveFilter;
  /** Pairs of queues that the device has. */
  readonly mostPairs: number;
  has(bit: bigint): boolean;
  violation(rule: Rule, what: string, queue?: number, descriptor?: number): void;
  setMac(mac: Uint8Array): void;
  announced(): void;
  /** Whether both queues of a pair are enabled. */
  pairReady(pair: number): boolean;
  setPairs(pairs: number): void;
  /** @param offloads feature bits that were negotiated. */
  setOffloads(offloads: bigint): void;
}

/** The commands of the control queue (5.1.6.5). */
export class ControlQueue {
  readonly #owner: ControlOwner;
  readonly #bytes = new Uint8Array(8);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #ack = new Uint8Array(1);

  constructor(owner: ControlOwner) {
    this.#owner = owner;
  }

  process(queue: Virtqueue): void {
    for (let chain = queue.take(); chain; chain = queue.take()) {
      const fault = this.#execute(chain.reader);
      if (fault) this.#complain(fault, queue, chain);
      this.#acknowledge(queue, chain, fault ? NetControl.ERR : NetControl.OK);
    }
  }

  #acknowledge(queue: Virtqueue, chain: DescriptorChain, ack: number): void {
    if (chain.writer.total < 1) {
      this.#complain({ rule: "5.1.6.5 command", what: "a command without room for its ack" }, queue, chain);
    }
    this.#ack[0] = ack;
    queue.put(chain, chain.writer.write(this.#ack));
  }

  #complain({ rule, what }: ControlFault, queue: Virtqueue, { head }: DescriptorChain): void {
    this.#owner.violation(rule, what, queue.index, head);
  }

  /** Does what a command says, or says why not. */
  #execute(reader: ChainReader): ControlFault | undefined {
    if (!this.#read(reader, 2)) {
      return { rule: "5.1.6.5 command", what: `a command of ${reader.total} bytes` };
    }
    const [group, command] = this.#bytes as unknown as [number, number];
    switch (group) {
      case NetControl.RX:
        return this.#mode(command, reader);
      case NetControl.MAC:
        return this.#mac(command, reader);
      case NetControl.VLAN:
        return this.#vlan(command, reader);
      case NetControl.ANNOUNCE:
        return this.#announce(command);
      case NetControl.MQ:
        return this.#pairs(command, reader);
      case NetControl.GUEST_OFFLOADS:
        return this.#offloads(command, reader);
      default:
        return unknown(group, command);
    }
  }

  /** 5.1.6.5.1 */
  #mode(command: number, reader: ChainReader): ControlFault | undefined {
    const extra = command >= NetControl.RX_ALLUNI;
    const feature = extra ? Feature.network.CTRL_RX_EXTRA : Feature.network.CTRL_RX;
    if (command > NetControl.RX_NOBCAST) return unknown(NetControl.RX, command);
    if (!this.#owner.has(feature)) {
      const name = extra ? "VIRTIO_NET_F_CTRL_RX_EXTRA" : "VIRTIO_NET_F_CTRL_RX";
      return { rule: "5.1.6.5.1.2 negotiated", what: `command ${command} of class 0 without ${name}` };
    }
    if (!this.#read(reader, 1)) return cutShort(NetControl.RX, command);
    const on = this.#bytes[0]!;
    if (on > 1) return { rule: "5.1.6.5.1 value", what: `command ${command} of class 0 with ${on}` };
    this.#setMode(command, on === 1);
    return undefined;
  }

  #setMode(command: number, on: boolean): void {
    const { filter } = this.#owner;
    if (command === NetControl.RX_PROMISC) filter.promiscuous = on;
    else if (command === NetControl.RX_ALLMULTI) filter.allMulticast = on;
    else if (command === NetControl.RX_ALLUNI) filter.allUnicast = on;
    else if (command === NetControl.RX_NOMULTI) filter.noMulticast = on;
    else if (command === NetControl.RX_NOUNI) filter.noUnicast = on;
    else filter.noBroadcast = on;
  }

  /** 5.1.6.5.2 */
  #mac(command: number, reader: ChainReader): ControlFault | undefined {
    const setting = command === NetControl.MAC_ADDR_SET;
    if (!setting && command !== NetControl.MAC_TABLE_SET) return unknown(NetControl.MAC, command);
    const feature = setting ? Feature.network.CTRL_MAC_ADDR : Feature.network.CTRL_RX;
    if (!this.#owner.has(feature)) {
      const name = setting ? "VIRTIO_NET_F_CTRL_MAC_ADDR" : "VIRTIO_NET_F_CTRL_RX";
      return { rule: "5.1.6.5.2.2 negotiated", what: `command ${command} of class 1 without ${name}` };
    }
    if (!setting) return this.#table(reader);
    if (!this.#read(reader, 6)) return cutShort(NetControl.MAC, command);
    if (this.#bytes[0]! & 1)
      return { rule: "5.1.6.5.2.2 table", what: "a group address as the device's own" };
    this.#owner.setMac(this.#bytes.slice(0, 6));
    return undefined;
  }

  #table(reader: ChainReader): ControlFault | undefined {
    const lists: (ReadonlySet<number> | undefined)[] = [];
    for (const kind of [0, 1]) {
      if (!this.#read(reader, 4)) return cutShort(NetControl.MAC, NetControl.MAC_TABLE_SET);
      const count = this.#view.getUint32(0, true);
      if (count * 6 > reader.remaining) return cutShort(NetControl.MAC, NetControl.MAC_TABLE_SET);
      if (count > MOST_ADDRESSES) {
        reader.skip(count * 6);
        lists.push(undefined);
        continue;
      }
      const list = new Set<number>();
      for (let i = 0; i < count; i++) {
        this.#read(reader, 6);
        if ((this.#bytes[0]! & 1) !== kind) {
          const what = `a ${kind ? "unicast" : "multicast"} address in the list of the others`;
          return { rule: "5.1.6.5.2.2 table", what };
        }
        list.add(addressNumber(this.#bytes, 0));
      }
      lists.push(list);
    }
    this.#owner.filter.setAddresses(lists[0], lists[1]);
    return undefined;
  }

  /** 5.1.6.5.3 */
  #vlan(command: number, reader: ChainReader): ControlFault | undefined {
    if (command > NetControl.VLAN_DEL) return unknown(NetControl.VLAN, command);
    if (!this.#owner.has(Feature.network.CTRL_VLAN)) {
      return { rule: "5.1.6.5.3 negotiated", what: "a VLAN command without VIRTIO_NET_F_CTRL_VLAN" };
    }
    if (!this.#read(reader, 2)) return cutShort(NetControl.VLAN, command);
    const id = this.#view.getUint16(0, true);
    if (id > 0xfff) return { rule: "5.1.6.5.3 id", what: `VLAN ${id}` };
    this.#owner.filter.setVlan(id, command === NetControl.VLAN_ADD);
    return undefined;
  }

  /** 5.1.6.5.4 */
  #announce(command: number): ControlFault | undefined {
    if (command !== NetControl.ANNOUNCE_ACK) return unknown(NetControl.ANNOUNCE, command);
    if (!this.#owner.has(Feature.network.GUEST_ANNOUNCE)) {
      return { rule: "5.1.6.5.4 negotiated", what: "ANNOUNCE_ACK without VIRTIO_NET_F_GUEST_ANNOUNCE" };
    }
    this.#owner.announced();
    return undefined;
  }

  /** 5.1.6.5.6 */
  #pairs(command: number, reader: ChainReader): ControlFault | undefined {
    if (command !== NetControl.MQ_VQ_PAIRS_SET) return unknown(NetControl.MQ, command);
    if (!this.#owner.has(Feature.network.MQ)) {
      return { rule: "5.1.6.5.6 negotiated", what: "VQ_PAIRS_SET without VIRTIO_NET_F_MQ" };
    }
    if (!this.#read(reader, 2)) return cutShort(NetControl.MQ, command);
    const pairs = this.#view.getUint16(0, true);
    if (pairs < 1 || pairs > this.#owner.mostPairs) {
      return { rule: "5.1.6.5.6.1 count", what: `${pairs} pairs of queues, of ${this.#owner.mostPairs}` };
    }
    for (let pair = 0; pair < pairs; pair++) {
      if (this.#owner.pairReady(pair)) continue;
      return {
        rule: "5.1.6.5.6.1 configured",
        what: `${pairs} pairs of queues, and pair ${pair + 1} is not enabled`,
      };
    }
    this.#owner.setPairs(pairs);
    return undefined;
  }

  /** 5.1.6.5.8 */
  #offloads(command: number, reader: ChainReader): ControlFault | undefined {
    if (command !== NetControl.GUEST_OFFLOADS_SET) return unknown(NetControl.GUEST_OFFLOADS, command);
    if (!this.#owner.has(Feature.network.CTRL_GUEST_OFFLOADS)) {
      const what = "GUEST_OFFLOADS_SET without VIRTIO_NET_F_CTRL_GUEST_OFFLOADS";
      return { rule: "5.1.6.5.8 negotiated", what };
    }
    if (!this.#read(reader, 8)) return cutShort(NetControl.GUEST_OFFLOADS, command);
    const offloads = this.#view.getBigUint64(0, true);
    const allowed = GUEST_OFFLOADS.filter((bit) => this.#owner.has(bit)).reduce(
      (set, bit) => set | (1n << bit),
      0n,
    );
    if (offloads & ~allowed) {
      return {
        rule: "5.1.6.5.8.2 negotiated",
        what: `offloads 0x${offloads.toString(16)}, of 0x${allowed.toString(16)}`,
      };
    }
    this.#owner.setOffloads(offloads);
    return undefined;
  }

  /** The next `count` bytes into `#bytes`; false when there are fewer. */
  #read(reader: ChainReader, count: number): boolean {
    return reader.remaining >= count && reader.read(this.#bytes.subarray(0, count)) === count;
  }
}

interface ControlFault {
  rule: Rule;
  what: string;
}

function unknown(group: number, command: number): ControlFault {
  return { rule: "5.1.6.5 command", what: `command ${command} of class ${group}, which there is not` };
}

function cutShort(group: number, command: number): ControlFault {
  return { rule: "5.1.6.5 command", what: `command ${command} of class ${group} is cut short` };
}
