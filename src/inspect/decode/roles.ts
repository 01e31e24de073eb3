import { Feature } from "../../virtio/spec.ts";

/** What the buffers of a queue carry. */
export type QueueRole =
  "block" | "receive" | "transmit" | "net control" | "console" | "console control" | "entropy";

/**
 * What a queue carries.
 *
 * @param kind of the device, as in configurations (`blk`) or as in the specification (`block`)
 * @param queue its name (`controlq`) or number
 */
export function queueRole(kind: string, queue: string | number, negotiated: bigint): QueueRole | undefined {
  switch (kind) {
    case "blk":
    case "block":
      return "block";
    case "net":
    case "network":
      return netRole(queue, negotiated);
    case "console":
      return isControl(queue) ? "console control" : "console";
    case "rng":
    case "entropy":
      return "entropy";
    default:
      return undefined;
  }
}

/** 5.1.2: the control queue comes last; how many pairs there are before it, only its name tells when there may be several. */
function netRole(queue: string | number, negotiated: bigint): QueueRole {
  if (typeof queue === "string") {
    if (queue.startsWith("control")) return "net control";
    return queue.startsWith("receive") ? "receive" : "transmit";
  }
  const { MQ, CTRL_VQ } = Feature.network;
  const has = (bit: bigint): boolean => ((negotiated >> bit) & 1n) === 1n;
  if (queue === 2 && has(CTRL_VQ) && !has(MQ)) return "net control";
  return queue % 2 === 0 ? "receive" : "transmit";
}

/** 5.3.2 */
function isControl(queue: string | number): boolean {
  return typeof queue === "string" ? queue.startsWith("control") : queue === 2 || queue === 3;
}
