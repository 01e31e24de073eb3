/** The way out of a relay's rooms: a passt for each member that sends something out. */
import { addressText, parseAddress } from "../../../src/net/address.ts";
import {
  GATEWAY,
  GATEWAY6,
  GATEWAY_LINK_LOCAL,
  GATEWAY_MAC,
  guestAddress,
  PREFIX6,
} from "../../../src/net/guest-network.ts";
import { linkLocal } from "../../../src/net/neighbour.ts";
import { gauge, labelled } from "../metrics.ts";
import type { MemberUplink, UplinkFactory, UplinkMember, UplinkPort } from "../uplink.ts";
import { MemberLink } from "./member.ts";
import type { UplinkSettings } from "./options.ts";
import { requirePasst, startPasst, type Passt } from "./passt.ts";
import { Reach } from "./ranges.ts";
import { UPLINK_DROPS, type UplinkDrop } from "./refusal.ts";
import { numberPools, Translations, type NumberPools } from "./translations.ts";

/** MAC addresses of which it is remembered that somebody else had the address which comes from them. */
const MOST_DECLINED = 1024;

interface Attached {
  /** Undefined until it is started. */
  passt: Passt | undefined;
}

export class Uplink implements UplinkFactory {
  readonly gatewayMac = GATEWAY_MAC;
  readonly addresses = [GATEWAY, GATEWAY6, GATEWAY_LINK_LOCAL];
  /** Packets that did not go on, since the relay's start. */
  readonly dropped = Object.fromEntries(Object.keys(UPLINK_DROPS).map((reason) => [reason, 0])) as Record<
    UplinkDrop,
    number
  >;
  readonly #options: UplinkSettings;
  readonly #reach: Reach;
  readonly #now = (): number => performance.now();
  readonly #pools: NumberPools = numberPools(this.#now);
  /** Those whose passt runs or is being started. */
  readonly #attached = new Set<Attached>();
  /** ROOM ADDRESS. */
  readonly #addresses = new Set<string>();
  /** ROOM MAC, and how many addresses were somebody else's. */
  readonly #declined = new Map<string, number>();
  #disposed = false;

  /** Throws an Error with a sentence where there is no passt. */
  constructor(options: UplinkSettings) {
    requirePasst(options);
    this.#options = options;
    this.#reach = new Reach(options.allow, this.#now);
  }

  metrics(): string {
    return [
      gauge(
        "uplink_processes",
        "passt processes, one for each member that sent something out.",
        this.#attached.size,
      ),
      labelled(
        "uplink_dropped_packets_total",
        "Packets that an uplink did not let through.",
        "reason",
        this.dropped,
      ),
    ].join("");
  }

  async attach(member: UplinkMember, port: UplinkPort): Promise<MemberUplink> {
    const { most, dns, mtu } = this.#options;
    await this.#burials();
    this.#requireLife();
    if (this.#attached.size >= most) {
      throw new Error(`${most} members have a way out, more are not allowed (--uplink-most).`);
    }
    const mac = Uint8Array.from(member.mac.split(":"), (byte) => parseInt(byte, 16));
    const address = this.#reserve(member.room, member.mac, mac);
    const place = `${member.room} ${addressText(address)}`;
    const translations = new Translations(this.#pools, this.#now);
    // It counts from now on, so that no more are started at the same time.
    const attached: Attached = { passt: undefined };
    this.#attached.add(attached);
    const free = (): void => {
      translations.dispose();
      this.#addresses.delete(place);
      this.#attached.delete(attached);
    };
    const passt = await startPasst(this.#options, address, ipv6Address(mac)).catch((error: unknown) => {
      free();
      throw error;
    });
    attached.passt = passt;
    void passt.ended.then(free);
    const link: MemberLink = new MemberLink(
      {
        guest: { mac, address, dns: dns === undefined ? undefined : parseAddress(dns) },
        mtu,
        reach: this.#reach,
        passt,
        translations,
        dropped: this.dropped,
        onDecline: () => {
          this.#decline(member);
          link.close(`Somebody else has the address ${addressText(address)}; it gets another one.`);
        },
      },
      port,
    );
    try {
      this.#requireLife();
      await link.ready();
    } catch (error) {
      link.dispose();
      throw error;
    }
    return link;
  }

  /** Resolves when those that were killed are gone, so that a member which comes right back finds its place free. */
  async #burials(): Promise<void> {
    await Promise.all(
      [...this.#attached].map(async ({ passt }) => {
        if (passt?.isKilled) await passt.ended;
      }),
    );
  }

  #requireLife(): void {
    if (this.#disposed) throw new Error("The relay is about to end.");
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all(
      [...this.#attached].map(async ({ passt }) => {
        passt?.kill();
        await passt?.ended;
      }),
    );
  }

  /** The address that the gateway in a page would give, too; the next one where somebody in the room has it. */
  #reserve(room: string, mac: string, bytes: Uint8Array): Uint8Array {
    for (let attempt = this.#declined.get(`${room} ${mac}`) ?? 0; ; attempt++) {
      const address = guestAddress(bytes, attempt);
      const place = `${room} ${addressText(address)}`;
      if (this.#addresses.has(place)) continue;
      this.#addresses.add(place);
      return address;
    }
  }

  #decline({ room, mac }: UplinkMember): void {
    const key = `${room} ${mac}`;
    const times = (this.#declined.get(key) ?? 0) + 1;
    this.#declined.delete(key);
    this.#declined.set(key, times);
    if (this.#declined.size > MOST_DECLINED) this.#declined.delete(this.#declined.keys().next().value!);
  }
}

/** As the guest makes its own (RFC 4291, appendix A): that DHCPv6 gives it no second one. */
function ipv6Address(mac: Uint8Array): Uint8Array {
  const address = PREFIX6.slice();
  address.set(linkLocal(mac).subarray(8), 8);
  return address;
}
