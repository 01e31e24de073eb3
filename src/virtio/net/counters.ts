/** What a network device has done since it was made; "in" is towards the guest. */
export interface NetCounters {
  /** Packets that reached the driver's buffers, and the bytes of their frames. */
  packetsIn: number;
  bytesIn: number;
  /** Packets that were given to the wire. */
  packetsOut: number;
  bytesOut: number;
  /** From the wire, while no driver had a receive queue enabled. */
  droppedNotReady: number;
  /** From the wire, and the driver's filters refuse it. */
  droppedFiltered: number;
  /** From the wire, more than the device holds for a driver that gives it no buffers. */
  droppedFull: number;
  /** From the wire, and longer than the MTU or all that the driver has for buffers. */
  droppedTooLong: number;
  /** Either way: a header that lies about its frame, or a frame that is none. */
  droppedMalformed: number;
  /** From the driver, while there is no carrier. */
  droppedNoCarrier: number;
}

export function noCounters(): NetCounters {
  return {
    packetsIn: 0,
    bytesIn: 0,
    packetsOut: 0,
    bytesOut: 0,
    droppedNotReady: 0,
    droppedFiltered: 0,
    droppedFull: 0,
    droppedTooLong: 0,
    droppedMalformed: 0,
    droppedNoCarrier: 0,
  };
}
