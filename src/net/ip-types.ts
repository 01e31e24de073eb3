export const Protocol = { ICMP: 1, TCP: 6, UDP: 17, FRAGMENT: 44, ICMPV6: 58 } as const;

/** What a packet is not: of possible lengths and known fields, or with a right checksum. */
export type Fault = "malformed" | "checksum";

/** What was read from an IP header. Offsets are those of the array that it is in; addresses share the array's bytes. */
export interface Ip {
  version: 4 | 6;
  source: Uint8Array;
  destination: Uint8Array;
  /** Of what is behind the header and, in IPv6, its extensions. */
  protocol: number;
  hopLimit: number;
  header: number;
  payload: number;
  end: number;
  /** It is a part of a larger one. */
  fragment: Fragment | undefined;
}

export interface Fragment {
  identification: number;
  /** Bytes. */
  offset: number;
  more: boolean;
}
