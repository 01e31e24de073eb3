import { addressText } from "../../../net/address.ts";
import { set16, set32, sameBytes } from "../../../net/bytes.ts";
import { DhcpOption, type DhcpMessage, DhcpPort, dhcpReply, DhcpType, parseDhcp } from "../../../net/dhcp.ts";
import { BROADCAST, macText } from "../../../net/ethernet.ts";
import type { Route } from "../../../net/ip.ts";
import { udpPacket } from "../../../net/udp.ts";
import { BROADCAST_ADDRESS, GATEWAY, GATEWAY_MAC, guestAddress, isInNetwork, NETMASK } from "./addresses.ts";
import { DOMAIN, labelOf } from "./dns/label.ts";

/** Seconds. */
const LEASE = 24 * 3600;
/** MAC addresses with an address: a guest may have more than its own, on a bridge. The oldest goes for one more. */
const CLIENTS = 64;
/** Addresses known to be somebody else's; beyond that all are forgotten. */
const TAKEN = 1024;

const NOBODY = Uint8Array.of(0, 0, 0, 0);
const EVERYBODY = Uint8Array.of(255, 255, 255, 255);

export interface Lease {
  address: string;
  hostname: string | undefined;
}

export interface DhcpServerOptions {
  mtu: number;
  /** The name that a guest gets which does not bring its own. */
  name: string | undefined;
  /** Whether somebody else in the room is known to have the address. */
  isTaken: (address: string) => boolean;
  /** The lease of this client has changed. */
  onLease: (mac: Uint8Array, lease: Lease | undefined) => void;
  send: (packet: Uint8Array) => void;
}

interface Client {
  /** Which of its addresses it is at, see guestAddress. */
  attempt: number;
  /** What it was last offered: the room's roster may have that, too, as the client's own. */
  own: string | undefined;
  lease: Lease | undefined;
}

/**
 * DHCP (RFC 2131) for the guest behind a gateway. It has nothing to remember but which addresses are other people's: an address comes
 * out of the client's MAC address.
 */
export class DhcpServer {
  readonly #options: DhcpServerOptions;
  readonly #clients = new Map<string, Client>();
  readonly #taken = new Set<string>();

  constructor(options: DhcpServerOptions) {
    this.#options = options;
  }

  /** Who has this address now has also this lease; its hostname is for DNS. */
  leases(): Lease[] {
    return [...this.#clients.values()].flatMap(({ lease }) => lease ?? []);
  }

  /** What a client says to port 67; `source` is its address, 0.0.0.0 before it has one. False: it was no DHCP message. */
  receive(payload: Uint8Array, source: Uint8Array): boolean {
    const message = parseDhcp(payload);
    // Behind a relay agent is another network, which this one has no addresses for.
    if (!message || !sameBytes(message.relay, NOBODY)) return false;
    const client = this.#client(message.hardware);
    switch (message.type) {
      case DhcpType.DISCOVER:
        this.#answer(message, DhcpType.OFFER, this.#addressFor(message.hardware, client));
        return true;
      case DhcpType.REQUEST:
        this.#request(message, client);
        return true;
      case DhcpType.INFORM:
        this.#inform(message, source);
        return true;
      case DhcpType.DECLINE:
        this.#decline(message, client);
        return true;
      case DhcpType.RELEASE:
        this.#setLease(message.hardware, client, undefined);
        return true;
      default:
        return false;
    }
  }

  /** This address is in use by somebody else. */
  addTaken(address: string): void {
    if (this.#taken.size >= TAKEN) this.#taken.clear();
    this.#taken.add(address);
  }

  /** The guest begins anew. */
  clear(): void {
    for (const client of this.#clients.values()) client.lease = undefined;
  }

  /** Of three kinds (4.3.2): after an offer, after a restart, and for more time. */
  #request(message: DhcpMessage, client: Client): void {
    const { options, clientAddress, hardware } = message;
    const server = options.get(DhcpOption.SERVER);
    // It has chosen another server.
    if (server && !sameBytes(server, GATEWAY)) return;
    const asked = options.get(DhcpOption.REQUESTED_ADDRESS) ?? clientAddress;
    const address = this.#addressFor(hardware, client);
    if (!sameBytes(asked, address)) {
      this.#answer(message, DhcpType.NAK, undefined);
      return;
    }
    this.#setLease(hardware, client, {
      address: addressText(address),
      hostname: this.#hostname(message),
    });
    this.#answer(message, DhcpType.ACK, address);
  }

  /** It has an address and wants to know the rest. */
  #inform(message: DhcpMessage, source: Uint8Array): void {
    const { clientAddress } = message;
    const to = sameBytes(clientAddress, NOBODY) ? source : clientAddress;
    if (isInNetwork(to))
      this.#send(message, dhcpReply(message, DhcpType.ACK, undefined, this.#configuration(message)), to);
  }

  #decline({ hardware, options }: DhcpMessage, client: Client): void {
    const declined = options.get(DhcpOption.REQUESTED_ADDRESS);
    if (!declined || !sameBytes(declined, this.#addressFor(hardware, client))) return;
    this.addTaken(addressText(declined));
    this.#setLease(hardware, client, undefined);
  }

  #answer(message: DhcpMessage, type: number, address: Uint8Array | undefined): void {
    if (!address) {
      const reply = dhcpReply(message, type, undefined, [
        [DhcpOption.SERVER, GATEWAY],
        ...clientIdentifier(message),
      ]);
      this.#send(message, reply, EVERYBODY);
      return;
    }
    const times = [
      [DhcpOption.LEASE_TIME, seconds(LEASE)],
      [DhcpOption.RENEWAL_TIME, seconds(LEASE / 2)],
      [DhcpOption.REBINDING_TIME, seconds((LEASE / 8) * 7)],
    ] as const;
    const reply = dhcpReply(message, type, address, [...this.#configuration(message), ...times]);
    const known = !sameBytes(message.clientAddress, NOBODY);
    this.#send(message, reply, known ? message.clientAddress : message.broadcast ? EVERYBODY : address);
  }

  #configuration(message: DhcpMessage): (readonly [number, Uint8Array])[] {
    const text = (value: string) => new TextEncoder().encode(value);
    const hostname = this.#hostname(message);
    const mtu = new Uint8Array(2);
    set16(mtu, 0, this.#options.mtu);
    return [
      [DhcpOption.SERVER, GATEWAY],
      [DhcpOption.NETMASK, NETMASK],
      [DhcpOption.BROADCAST, BROADCAST_ADDRESS],
      [DhcpOption.ROUTERS, GATEWAY],
      [DhcpOption.DNS_SERVERS, GATEWAY],
      [DhcpOption.DOMAIN, text(DOMAIN)],
      [DhcpOption.MTU, mtu],
      ...(hostname ? [[DhcpOption.HOST_NAME, text(hostname)] as const] : []),
      ...clientIdentifier(message),
    ];
  }

  /** The client's own, or the one that a person has given to the machine, as one label. */
  #hostname(message: DhcpMessage): string | undefined {
    const { name } = this.#options;
    return hostnameOf(message) ?? (name === undefined ? undefined : labelOf(name));
  }

  #send(message: DhcpMessage, payload: Uint8Array, to: Uint8Array): void {
    const everybody = sameBytes(to, EVERYBODY);
    const route: Route = {
      sourceMac: GATEWAY_MAC,
      destinationMac: everybody ? BROADCAST : message.hardware,
      source: GATEWAY,
      destination: to,
    };
    this.#options.send(
      udpPacket(route, { sourcePort: DhcpPort.SERVER, destinationPort: DhcpPort.CLIENT, payload }),
    );
  }

  /** The address that this client has, or is to have: the first of its own that nobody else is known to have. */
  #addressFor(mac: Uint8Array, client: Client): Uint8Array {
    for (let tries = 0; tries < TAKEN; tries++) {
      const address = guestAddress(mac, client.attempt);
      const text = addressText(address);
      const taken = this.#taken.has(text) || (client.own !== text && this.#options.isTaken(text));
      if (!taken) {
        client.own = text;
        return address;
      }
      client.attempt++;
    }
    return guestAddress(mac, client.attempt);
  }

  #client(mac: Uint8Array): Client {
    const key = macText(mac);
    const client = this.#clients.get(key) ?? { attempt: 0, own: undefined, lease: undefined };
    if (!this.#clients.has(key) && this.#clients.size >= CLIENTS)
      this.#clients.delete(this.#clients.keys().next().value!);
    this.#clients.set(key, client);
    return client;
  }

  #setLease(mac: Uint8Array, client: Client, lease: Lease | undefined): void {
    const { lease: before } = client;
    client.lease = lease;
    if (before?.address !== lease?.address || before?.hostname !== lease?.hostname)
      this.#options.onLease(mac, lease);
  }
}

function seconds(count: number): Uint8Array {
  const bytes = new Uint8Array(4);
  set32(bytes, 0, count);
  return bytes;
}

/** It is to come back as it was sent (RFC 6842). */
function clientIdentifier({ options }: DhcpMessage): (readonly [number, Uint8Array])[] {
  const identifier = options.get(DhcpOption.CLIENT);
  return identifier ? [[DhcpOption.CLIENT, identifier]] : [];
}

function hostnameOf({ options }: DhcpMessage): string | undefined {
  const bytes = options.get(DhcpOption.HOST_NAME);
  return bytes && labelOf(String.fromCharCode(...bytes));
}
