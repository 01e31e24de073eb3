import { formatConfig, parseConfig } from "../../config/grammar.ts";
import type { TraceEvent } from "../../inspect/types.ts";
import type { EventWait, RequestPhase, Wait } from "./format.ts";
import { isDevice, matches, type FeatureBits } from "./match.ts";
import { finishedRuns, occurrences } from "./prompt.ts";
import type { Scene, TraceAccess } from "./scene.ts";

/** Events that one question brings, and questions that one look asks; what is left is looked at the next time. */
const PAGE = 1000;
const PAGES = 20;
/** Requests of one event that are looked at. */
const MOST_REQUESTS = 64;

/** Where in a trace somebody is: the next event to look at. Another trace begins at another time. */
export interface Place {
  start: number;
  next: number;
}

/** What met a wait. */
export interface Met {
  /** Where the next wait begins. */
  place: Place | undefined;
  /** The event that it was, if it was one. */
  event: TraceEvent | undefined;
}

/** One wait of a step. What it needs to know of the terminal is of the moment when the step began. */
export class Watch {
  readonly #wait: Wait;
  readonly #scene: Scene;
  /** How often what is waited for stood on the terminal; less when it scrolled away. */
  #count: number;
  /** Where to look from, and later how far it looked; undefined: whatever a trace holds came after the beginning. */
  place: Place | undefined;

  constructor(wait: Wait, scene: Scene) {
    this.#wait = wait;
    this.#scene = scene;
    this.#count = this.#onTerminal();
  }

  /** Undefined: not yet. Nothing that happened since the last look is missed. Rejects when the machine goes away meanwhile. */
  async look(): Promise<Met | undefined> {
    const wait = this.#wait;
    switch (wait.for) {
      case "event":
        return this.#lookForEvent(wait.event, () => Promise.resolve(true));
      case "request":
        return this.#lookForEvent(wait.where, (event, trace) => hasPhases(event, wait.phases, trace));
      case "terminal":
      case "command": {
        const count = this.#onTerminal();
        if (count > this.#count) return this.#met();
        this.#count = count;
        return undefined;
      }
      case "state":
        return this.#scene.state() === wait.state ? this.#met() : undefined;
      case "machine":
        return this.#scene.state() === "running" && isMachine(this.#scene.config(), wait.config)
          ? this.#met()
          : undefined;
      case "view": {
        const { tab, device, queue } = this.#scene.view();
        const { view } = wait;
        const met =
          (view.tab === undefined || view.tab === tab) &&
          (view.device === undefined || (device !== undefined && isDevice(device, view.device))) &&
          (view.queue === undefined || view.queue === queue);
        return met ? this.#met() : undefined;
      }
      case "next":
        return undefined;
    }
  }

  #met(event?: TraceEvent): Met {
    return { place: this.place, event };
  }

  #onTerminal(): number {
    const wait = this.#wait;
    if (wait.for === "terminal") return occurrences(this.#scene.screen(), wait.text);
    if (wait.for === "command") return finishedRuns(this.#scene.screen(), wait.command);
    return 0;
  }

  async #lookForEvent(
    wait: EventWait,
    also: (event: TraceEvent, trace: TraceAccess) => Promise<boolean>,
  ): Promise<Met | undefined> {
    const trace = this.#scene.trace();
    if (!trace) return undefined;
    const { start, next } = await trace.summary();
    // A trace that began meanwhile holds only what came after.
    if (this.place?.start !== start) this.place = { start, next: 0 };
    const bits = await featureBits(wait, trace);
    for (let page = 0; page < PAGES && this.place.next < next; page++) {
      const events = await trace.events({
        from: this.place.next,
        to: next,
        kinds: [wait.kind],
        ...(wait.queue !== undefined && { queue: wait.queue }),
        limit: PAGE,
      });
      for (const event of events) {
        this.place = { start, next: event.seq + 1 };
        if (matches(event, wait, bits) && (await also(event, trace))) return this.#met(event);
      }
      if (events.length < PAGE) this.place = { start, next };
    }
    return undefined;
  }
}

/** Where a trace is now. */
export async function placeIn(trace: TraceAccess): Promise<Place> {
  const { start, next } = await trace.summary();
  return { start, next };
}

async function hasPhases(
  event: TraceEvent,
  phases: readonly RequestPhase[],
  trace: TraceAccess,
): Promise<boolean> {
  if (!event.requests) return false;
  const { first, last } = event.requests;
  for (let id = first; id <= Math.min(last, first + MOST_REQUESTS - 1); id++) {
    const request = await trace.request(id);
    if (request && phases.every((phase) => request[phase] !== undefined)) return true;
  }
  return false;
}

/** Only where a wait names a feature: what devices are costs a look at all of them. */
async function featureBits(wait: EventWait, trace: TraceAccess): Promise<FeatureBits> {
  if (wait.feature === undefined && wait.without === undefined) return () => undefined;
  const { devices } = await trace.summary();
  const known = new Map<string, readonly { bit: number; name: string }[]>();
  for (const { name } of devices)
    if (wait.device === undefined || isDevice(name, wait.device)) known.set(name, await trace.features(name));
  return (device, name) => known.get(device)?.find((feature) => feature.name === name)?.bit;
}

/** However the two texts are written. */
export function isMachine(config: string | undefined, wanted: string): boolean {
  return config !== undefined && config === formatConfig(parseConfig(wanted));
}
