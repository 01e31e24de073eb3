import type { DescribedDevice, InspectedMachine } from "../../src/inspect/inspected.ts";
import type { Observer, VirtioEvent } from "../../src/virtio/observer.ts";
import { BlockDriver } from "./driver/block-driver.ts";
import { SlowDisk } from "./driver/slow-disk.ts";

/** A machine with one disk and no CPU. What would stop it stops nothing: its driver is the test, which looks at `stopped`. */
export class TestMachine implements InspectedMachine {
  readonly disk = new SlowDisk(1 << 20);
  readonly blk = new BlockDriver(this.disk);
  observer: Observer | undefined;
  instructions = 0;
  resumed = 0;
  memory: [number, number][] = [];
  others: DescribedDevice[] = [];
  onState: () => void = () => undefined;
  #break: ((event: VirtioEvent) => boolean) | undefined;
  #until: ((event: VirtioEvent) => boolean) | undefined;
  readonly deliveries: string[] = [];

  readonly debugger = {
    stopped: false,
    onStop: undefined as InspectedMachine["debugger"]["onStop"],
    breakOn: (predicate: ((event: VirtioEvent) => boolean) | undefined): void => {
      this.#break = predicate;
    },
    step: (until: (event: VirtioEvent) => boolean): void => {
      this.#until = until;
      this.#run();
    },
    stepToDelivery: (device: string, queue: number): void => {
      this.deliveries.push(`${device} ${queue}`);
      this.#run();
    },
  };

  constructor() {
    this.blk.device.name = "blk root";
  }

  get breaks(): boolean {
    return this.#break !== undefined;
  }

  observe(observer: Observer | undefined): void {
    this.observer = observer;
    this.blk.device.observer = observer && ((event) => this.event(event));
  }

  /** As src/machine/machine.ts: observers first. */
  event(event: VirtioEvent): void {
    this.observer?.(event);
    if (this.debugger.stopped || !(this.#until?.(event) || this.#break?.(event))) return;
    this.stop(event);
  }

  stop(event?: VirtioEvent, why?: string): void {
    this.#until = undefined;
    this.debugger.stopped = true;
    this.onState();
    this.debugger.onStop?.(event, why);
  }

  pause(): void {
    if (!this.debugger.stopped) this.stop();
  }

  resume(): void {
    this.resumed++;
    this.#run();
  }

  inspect(): [] {
    return [];
  }

  inspectQueue(): undefined {
    return undefined;
  }

  readMemory(address: number, length: number): Uint8Array {
    this.memory.push([address, length]);
    return new Uint8Array(length);
  }

  describe(): DescribedDevice[] {
    return [{ kind: "blk", id: "root", transport: "pci", queues: [{ name: "requestq" }] }, ...this.others];
  }

  counters(): { instructions: number } {
    return { instructions: this.instructions };
  }

  #run(): void {
    this.debugger.stopped = false;
    this.onState();
  }
}
