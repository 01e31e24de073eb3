import type { Wire, WireStatus } from "./wire.ts";

type Tell = (level: "info" | "warning" | "error", text: string) => void;

/**
 * Has a person told when a wire is lost, when it cannot be had, and when it is back: each once, however often it tries.
 *
 * @param name as at the beginning of a sentence
 */
export function watchWire(wire: Wire, name: string, tell: Tell): Wire {
  let told: WireStatus["state"] = "up";
  wire.onStatus = ({ state, reason, relay }) => {
    // A first attempt is under way: there is nothing to say yet.
    if (state === told || (state !== "up" && reason === undefined)) return;
    told = state;
    if (state === "up") tell("info", `${name} is there${relay === undefined ? "" : ` (${relay})`}.`);
    else if (state === "down") tell("error", `${name} cannot be had. ${reason!}`);
    else tell("warning", `${name} is out of reach; the guest has no carrier until it is back. ${reason!}`);
  };
  return wire;
}
