/**
 * Where a guest may go: the internet, and what the host allows by name. Special and private ranges are refused (the registries
 * of RFC 6890), and so are the networks that the host is in: what is beside it often trusts it.
 */
import { networkInterfaces } from "node:os";
import { parseAddress } from "../../../src/net/address.ts";
import { get32 } from "../../../src/net/bytes.ts";

/** Addresses that begin with the same bits. */
export interface Range {
  /** 4 or 16 bytes. */
  base: Uint8Array;
  bits: number;
}

/** What the host allows. */
export interface Rule extends Range {
  /** Of TCP and UDP alone; undefined: whatever it is. */
  port: number | undefined;
}

/** Never, not even by a rule: they are this computer, or many. */
const NEVER = ranges(
  "0.0.0.0/8",
  "10.77.0.0/16",
  "127.0.0.0/8",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/96",
  "::ffff:0:0/96",
  "fd00:77::/64",
  "ff00::/8",
);

const REFUSED = ranges(
  "10.0.0.0/8",
  "100.64.0.0/10", // shared by a provider's customers
  "169.254.0.0/16", // link-local, and where clouds have their instances' secrets
  "168.63.129.16/32", // the same of another cloud, in a public range
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16",
  "198.18.0.0/15",
  // Parts of 2000::/3, outside of which all of IPv6 is refused.
  "2001::/23", // Teredo, which has IPv4 addresses inside, and other protocols'
  "2002::/16", // 6to4: so has this
  "3fff::/20",
);

const GLOBAL_UNICAST = range("2000::/3");
/** IPv4 behind a translator (RFC 6052): the last 4 bytes decide. */
const TRANSLATED = range("64:ff9b::/96");

/** Milliseconds for which the host's own networks are known. */
const REFRESH = 10_000;

export class Reach {
  readonly #allowed: readonly Rule[];
  readonly #now: () => number;
  readonly #readOwn: () => Range[];
  #own: readonly Range[] = [];
  #ownUntil = -Infinity;

  /** `now`: milliseconds of a clock that only goes forward. `readOwn`: the networks that the host is in. */
  constructor(allowed: readonly Rule[], now: () => number = () => performance.now(), readOwn = ownNetworks) {
    this.#allowed = allowed;
    this.#now = now;
    this.#readOwn = readOwn;
  }

  /** Whether packets may go to this address (4 or 16 bytes); `port` is undefined where the protocol has none. */
  allows(address: Uint8Array, port: number | undefined): boolean {
    if (isAmong(NEVER, address)) return false;
    for (const rule of this.#allowed) {
      if ((rule.port === undefined || rule.port === port) && contains(rule, address)) return true;
    }
    if (isAmong(REFUSED, address) || isAmong(this.#ownNow(), address)) return false;
    if (address.length === 4 || contains(GLOBAL_UNICAST, address)) return true;
    return contains(TRANSLATED, address) && this.allows(address.subarray(12), port);
  }

  #ownNow(): readonly Range[] {
    const now = this.#now();
    if (now >= this.#ownUntil) {
      this.#own = this.#readOwn();
      this.#ownUntil = now + REFRESH;
    }
    return this.#own;
  }
}

/** `192.168.1.10`, `192.168.1.0/24`, `192.168.1.10/32:80`, `fd00::5`, `[fd00::/64]:80`. Throws an Error that says what is wrong. */
export function parseRule(text: string): Rule {
  const bracketed = /^\[(.*)\](?::(\d{1,5}))?$/.exec(text);
  const [, net = text, portText] =
    bracketed ?? (text.split(":").length === 2 ? (/^(.*):(\d{1,5})$/.exec(text) ?? []) : []);
  const parsed = parseRange(net);
  const port = portText === undefined ? undefined : Number(portText);
  if (parsed === undefined || (port !== undefined && (port < 1 || port > 65535))) {
    throw new Error(`"${text}" is not ADDRESS[/BITS][:PORT], such as 192.168.1.10/32:80 or [fd00::5]:80.`);
  }
  if (NEVER.some((never) => never.bits <= parsed.bits && contains(never, parsed.base))) {
    throw new Error(
      `"${text}" cannot be allowed: it has addresses of this computer alone, of groups, or of guests.`,
    );
  }
  return { ...parsed, port };
}

/** The networks of the host's interfaces; of one with hardly a prefix, its own address alone. */
export function ownNetworks(): Range[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.flatMap(({ address, cidr }) => {
      const network = cidr === null ? undefined : parseRange(withoutZone(cidr));
      if (network !== undefined && network.bits >= 8) return [network];
      return parseRange(withoutZone(address)) ?? [];
    }),
  );
}

const withoutZone = (text: string): string => text.replace(/%[^/]*/, "");

function ranges(...texts: string[]): Range[] {
  return texts.map(range);
}

function range(text: string): Range {
  return parseRange(text)!;
}

function parseRange(text: string): Range | undefined {
  const [, addressText, bitsText] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const base = addressText === undefined ? undefined : parseAddress(addressText);
  if (base === undefined) return undefined;
  const bits = bitsText === undefined ? base.length * 8 : Number(bitsText);
  return bits <= base.length * 8 ? { base, bits } : undefined;
}

function isAmong(list: readonly Range[], address: Uint8Array): boolean {
  for (const each of list) if (contains(each, address)) return true;
  return false;
}

function contains({ base, bits }: Range, address: Uint8Array): boolean {
  if (base.length !== address.length) return false;
  let at = 0;
  for (; bits - at * 8 >= 32; at += 4) if (get32(base, at) !== get32(address, at)) return false;
  const rest = bits - at * 8;
  return rest === 0 || (get32(base, at) ^ get32(address, at)) >>> (32 - rest) === 0;
}
