import { proxy, type ProxyMarked, releaseProxy } from "comlink";
import { formatConfig } from "../config/grammar.ts";
import type { MachineConfig } from "../config/types.ts";
import type { InspectorApi, InspectorListener } from "../inspect/api.ts";
import type { InspectedMachine } from "../inspect/inspected.ts";
import { Inspector, type InspectorOptions } from "../inspect/inspector.ts";

/** A Machine. */
type FollowedMachine = InspectedMachine & { readonly config: MachineConfig };

/** One person at a time looks into the machine there is, whichever that is. While nobody does, it costs nothing. */
export class Inspection {
  readonly #run: InspectorOptions["run"];
  #machine: FollowedMachine | undefined;
  #inspector: Inspector | undefined;

  constructor(run: InspectorOptions["run"]) {
    this.#run = run;
  }

  /** Ends the inspection that is under way, if one is. */
  begin(listener: InspectorListener): InspectorApi & ProxyMarked {
    this.#inspector?.close();
    const inspector = new Inspector({
      listener,
      run: this.#run,
      onClose: () => {
        if (this.#inspector === inspector) this.#inspector = undefined;
        release(listener);
      },
    });
    this.#inspector = inspector;
    this.#follow();
    return proxy(inspector);
  }

  /** There is another machine, or none any more. */
  follow(machine: FollowedMachine | undefined): void {
    this.#machine = machine;
    this.#follow();
  }

  stateChanged(): void {
    this.#inspector?.stateChanged();
  }

  /** A person pauses the machine, which may be standing still for a moment anyway. */
  personPauses(): void {
    this.#inspector?.personPauses();
  }

  #follow(): void {
    const machine = this.#machine;
    this.#inspector?.follow(machine, machine ? formatConfig(machine.config) : "");
  }
}

/** Lets go of the page's end; a listener in the same thread has nothing to let go of. */
function release(listener: InspectorListener): void {
  const release: unknown = (listener as { [releaseProxy]?: unknown })[releaseProxy];
  if (typeof release === "function") (release as () => void)();
}
