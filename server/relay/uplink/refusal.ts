/** Why a packet did not go out, or not come in. */
export const UPLINK_DROPS = {
  malformed: "with headers that are wrong or cut short",
  foreign: "from a MAC or IP address that the member does not have",
  protocol: "neither TCP, UDP nor an ICMP echo request, or with options or extension headers",
  fragment: "in fragments",
  private: "to an address that guests may not reach",
  flows: "of more UDP flows or pings than one member may have, or while all numbers were taken",
  queue: "to a passt that was too slow",
  unasked: "from outside, and not an answer to the member",
  oversize: "from outside, and longer than the guest's packets may be",
} as const;

export type UplinkDrop = keyof typeof UPLINK_DROPS;
