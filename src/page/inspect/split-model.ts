import { batch, effect, signal, untracked } from "@preact/signals";
import type { TraceSummary } from "../../inspect/types.ts";
import { Crossings } from "./crossings.ts";
import { EventLook } from "./event-look.ts";
import { NewestRequest } from "./newest-request.ts";
import type { TraceSource } from "./source.ts";

/** What the split view shows besides the trace itself: which chain, which event. */
export class SplitModel {
  readonly source: TraceSource;
  readonly crossings: Crossings;
  readonly look: EventLook;
  readonly newest: NewestRequest;
  /** Head of the chain that is selected in the rings. */
  readonly chain = signal<number | undefined>(undefined);
  readonly #ends: (() => void)[];
  /** The event whose device and queue were brought up. */
  #broughtUp: number | undefined;

  constructor(source: TraceSource) {
    this.source = source;
    this.crossings = new Crossings(source);
    this.look = new EventLook(source);
    this.newest = new NewestRequest(source);
    this.#ends = [
      effect(() => {
        const summary = source.summary.value;
        const { device } = source.selected.value;
        if (!summary || summary.devices.length === 0) return;
        if (device !== undefined && summary.devices.some(({ name }) => name === device)) return;
        untracked(() => (source.selected.value = { ...source.selected.peek(), ...firstPlace(summary) }));
      }),
      effect(() => {
        const detail = this.look.detail.value;
        if (detail) untracked(() => this.#bringUp());
      }),
    ];
  }

  /** Another device or queue; what was selected of the one before is not any more. */
  choose(device: string, queue: number): void {
    batch(() => {
      this.chain.value = undefined;
      this.source.selected.value = { device, queue };
    });
  }

  /** A chain in the rings; undefined: none. */
  chooseChain(head: number | undefined): void {
    batch(() => {
      this.chain.value = head;
      const { device, queue } = this.source.selected.peek();
      this.source.selected.value = { device, queue };
    });
  }

  /** An event of the list; undefined: the newest ones are followed. */
  chooseEvent(seq: number | undefined): void {
    batch(() => {
      if (seq === undefined) this.chain.value = undefined;
      this.source.selected.value = { ...this.source.selected.peek(), seq };
    });
  }

  dispose(): void {
    for (const end of this.#ends) end();
    this.crossings.dispose();
    this.look.dispose();
    this.newest.dispose();
  }

  /** The rings and the chain of the event that was selected, once. */
  #bringUp(): void {
    const detail = this.look.detail.peek()!;
    const { event, related } = detail;
    if (this.#broughtUp === event.seq) return;
    this.#broughtUp = event.seq;
    const chain = related.find(({ kind }) => kind === "chain");
    const queue = "queue" in event ? event.queue : chain && "queue" in chain ? chain.queue : undefined;
    batch(() => {
      this.chain.value = chain?.kind === "chain" ? chain.head : undefined;
      const selected = this.source.selected.peek();
      const same = selected.device === event.device;
      this.source.selected.value = {
        ...selected,
        device: event.device,
        queue: queue ?? (same ? selected.queue : 0),
      };
    });
  }
}

/** A disk, if there is one: what goes on there is what most people have a name for. */
function firstPlace({ devices }: TraceSummary): { device: string; queue: number } {
  const device = devices.find(({ kind }) => kind === "blk") ?? devices[0]!;
  return { device: device.name, queue: 0 };
}
