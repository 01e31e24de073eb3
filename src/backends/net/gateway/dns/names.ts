import { addressText, parseAddress } from "../../../../net/address.ts";
import {
  DnsClass,
  DnsCode,
  type DnsAnswer,
  type DnsQuery,
  type DnsResponse,
  DnsType,
  encodeName,
} from "../../../../net/dns.ts";
import { GATEWAY, GATEWAY6 } from "../addresses.ts";
import { DOMAIN, labelOf } from "./label.ts";
import { isInPool, type NamePool } from "./pool.ts";

/** Seconds. Members of a room come and go. */
const TTL = 10;
/** Of names that stand for a host outside; their address is theirs for much longer. */
const POOL_TTL = 60;
/** Answers to one question: so many addresses of one name. */
const MOST_ANSWERS = 32;

/** Names that are no host's outside, whoever asks (RFC 6761, 6762, 7686, 8375). */
const NEVER_OUTSIDE = /(^|\.)(arpa|localhost|local|invalid|onion|internal|home|lan|corp)$/;
const HOST = /^[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))+$/;

/** A name of the network's own, without the domain, and an address as text. */
export interface Host {
  name: string;
  address: string;
}

export interface NamesOptions {
  /** Members of the room and leases, as they are now. */
  hosts: () => readonly Host[];
  /** For names outside; undefined: there is no way out. */
  pool: NamePool | undefined;
}

/** What the gateway says about names. */
export class Names {
  readonly #options: NamesOptions;

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  answer(query: DnsQuery): DnsResponse {
    const { question, opcode, edns } = query;
    if (opcode !== 0) return failure(DnsCode.NOT_IMPLEMENTED);
    if (!question) return failure(DnsCode.FORMAT);
    if (edns && edns.version !== 0) return failure(DnsCode.BAD_VERSION);
    if (question.class !== DnsClass.IN && question.class !== DnsClass.ANY) return failure(DnsCode.REFUSED);
    const name = question.name.toLowerCase();
    if (name.endsWith(".arpa")) return this.#reverse(name, question.type);
    if (name === DOMAIN || name.endsWith(`.${DOMAIN}`)) return this.#own(name, question.type);
    const { pool } = this.#options;
    if (!pool || !HOST.test(name) || NEVER_OUTSIDE.test(name)) return failure(DnsCode.NO_NAME);
    // No AAAA: the only way to them is over IPv4.
    const answers = wants(question.type, DnsType.A)
      ? [{ type: DnsType.A, ttl: POOL_TTL, data: pool.addressFor(name) }]
      : [];
    return { code: DnsCode.OK, authoritative: false, answers };
  }

  #own(name: string, type: number): DnsResponse {
    const label = name.slice(0, -DOMAIN.length - 1);
    const addresses = this.#hosts().flatMap((host) => (host.label === label ? [host.address] : []));
    if (addresses.length === 0 && label !== "") return failure(DnsCode.NO_NAME, true);
    const answers = addresses.slice(0, MOST_ANSWERS).flatMap((data): DnsAnswer[] => {
      const is = data.length === 4 ? DnsType.A : DnsType.AAAA;
      return wants(type, is) ? [{ type: is, ttl: TTL, data }] : [];
    });
    return { code: DnsCode.OK, authoritative: true, answers };
  }

  #reverse(name: string, type: number): DnsResponse {
    const address = reversed(name);
    const text = address && addressText(address);
    const host = this.#hosts().find((one) => addressText(one.address) === text);
    const target = host
      ? `${host.label}.${DOMAIN}`
      : address && isInPool(address)
        ? this.#options.pool?.nameOf(address)
        : undefined;
    if (target === undefined) return failure(DnsCode.NO_NAME);
    const answer = { type: DnsType.PTR, ttl: TTL, data: encodeName(target) };
    return { code: DnsCode.OK, authoritative: true, answers: wants(type, DnsType.PTR) ? [answer] : [] };
  }

  /** The gateway first: nobody else can have its name. */
  #hosts(): { label: string; address: Uint8Array }[] {
    const own = [GATEWAY, GATEWAY6].map((address) => ({ label: "gateway", address }));
    const others = this.#options.hosts().flatMap(({ name, address }) => {
      const label = labelOf(name);
      const bytes = parseAddress(address);
      return label && bytes && label !== "gateway" ? [{ label, address: bytes }] : [];
    });
    // The guest is among the members and has a lease, too.
    const known = new Map(
      [...own, ...others].map((host) => [`${host.label} ${addressText(host.address)}`, host]),
    );
    return [...known.values()];
  }
}

function failure(code: number, authoritative = false): DnsResponse {
  return { code, authoritative, answers: [] };
}

const wants = (asked: number, type: number): boolean => asked === type || asked === DnsType.ANY;

/** The address of `1.0.77.10.in-addr.arpa`, or of 32 digits and `ip6.arpa`. */
function reversed(name: string): Uint8Array | undefined {
  const v4 = /^((?:\d{1,3}\.){3}\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4) return parseAddress(v4[1]!.split(".").reverse().join("."));
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (!v6) return undefined;
  const digits = v6[1]!.split(".").reverse().join("");
  return Uint8Array.from({ length: 16 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
