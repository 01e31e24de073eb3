import type { Observer, VirtioEvent } from "../virtio/observer.ts";
import type { DeviceView, QueueView } from "../virtio/view/types.ts";
import type { TracedDevice } from "./types.ts";

/** What the inspector needs of a machine. `Machine` has it. */
export interface InspectedMachine {
  readonly debugger: InspectedDebugger;
  observe(observer: Observer | undefined): void;
  inspect(): DeviceView[];
  inspectQueue(device: string, queue: number): QueueView | undefined;
  readMemory(address: number, length: number): Uint8Array;
  describe(): DescribedDevice[];
  counters(): { instructions: number };
  pause(): void;
  resume(): void;
}

/** See src/machine/debugger.ts. */
export interface InspectedDebugger {
  readonly stopped: boolean;
  onStop: ((event: VirtioEvent | undefined, why?: string) => void) | undefined;
  breakOn(predicate: ((event: VirtioEvent) => boolean) | undefined): void;
  step(until: (event: VirtioEvent) => boolean): void;
  stepToDelivery(device: string, queue: number): void;
}

export interface DescribedDevice {
  kind: string;
  id: string | undefined;
  transport: string;
  queues: readonly { name: string }[];
}

/** A device as a trace knows it. */
export function tracedDevice({ kind, id, transport, queues }: DescribedDevice): TracedDevice {
  const name = id === undefined ? kind : `${kind} ${id}`;
  return { name, kind, transport, queues: queues.map((queue) => queue.name) };
}
