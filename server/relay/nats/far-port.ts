import type { Member as Entry } from "../../../src/net/relay-protocol.ts";
import type { Turn } from "../turn.ts";
import type { Port } from "../sharing.ts";

/** What leaves for other relays: packets of one turn of the event loop together. */
export class Departure {
  readonly #turn: Turn;
  readonly #send: (packets: readonly Uint8Array[]) => void;
  #packets: Uint8Array[] = [];

  constructor(turn: Turn, send: (packets: readonly Uint8Array[]) => void) {
    this.#turn = turn;
    this.#send = send;
  }

  add(packet: Uint8Array): void {
    if (this.#packets.push(packet) === 1) this.#turn.add(this);
  }

  flush(): void {
    const packets = this.#packets;
    this.#packets = [];
    this.#send(packets);
  }
}

/** The members that another relay has in a room. */
export class FarPort implements Port {
  readonly isHere = false;
  readonly relay: string;
  entries: Entry[] = [];
  readonly #departure: Departure;
  readonly #probe: (mac: number) => void;

  constructor(relay: string, departure: Departure, probe: (mac: number) => void) {
    this.relay = relay;
    this.#departure = departure;
    this.#probe = probe;
  }

  deliver(packet: Uint8Array): void {
    this.#departure.add(packet);
  }

  probe(mac: number): void {
    this.#probe(mac);
  }
}
