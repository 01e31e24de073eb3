import { batch, computed, signal } from "@preact/signals";
import type { TraceEvent } from "../../inspect/types.ts";
import type { Lesson, LessonStep } from "./format.ts";
import type { Scene } from "./scene.ts";
import { placeIn, Watch, type Met, type Place } from "./watch.ts";

/** A wait that was met. */
export interface Seen {
  event: TraceEvent | undefined;
}

/** A person's way through one lesson. A step that is done stays on show until they go on. */
export class Walk {
  readonly lesson: Lesson;
  /** From 0. */
  readonly step = signal(0);
  /** The steps that are done. */
  readonly done = signal<ReadonlySet<number>>(new Set());
  /** The current step's waits that were met since it began, in order. */
  readonly seen = signal<readonly Seen[]>([]);
  readonly current = computed<LessonStep>(() => this.lesson.steps[this.step.value]!);
  readonly ended = computed(() => this.lesson.steps.every((_step, index) => this.done.value.has(index)));

  readonly #scene: Scene;
  #watches: Watch[] = [];
  /** The step waits from the place where its trace was when it began, once that is known. */
  #placed = false;
  /** Counts beginnings: what an earlier one still finds out is not heard. */
  #beginning = 0;
  #looking = false;

  /** Begins at a step (from 0; the nearest there is). `done`: those that were done before a reload. */
  constructor(lesson: Lesson, scene: Scene, { step = 0, done = [] as readonly number[] } = {}) {
    this.lesson = lesson;
    this.#scene = scene;
    this.done.value = new Set(done.filter((index) => index in lesson.steps));
    this.begin(step);
  }

  /** Goes to a step (from 0; the nearest there is) and waits from now on. */
  begin(step: number): void {
    batch(() => {
      this.step.value = Math.max(0, Math.min(Math.trunc(step) || 0, this.lesson.steps.length - 1));
      this.seen.value = [];
    });
    const beginning = ++this.#beginning;
    this.#watches = this.current.value.waits.map((wait) => new Watch(wait, this.#scene));
    this.#placed = false;
    const placed = (place: Place | undefined) => {
      if (beginning !== this.#beginning) return;
      this.#placed = true;
      this.#watches[0]!.place = place;
    };
    const trace = this.#scene.trace();
    if (trace === undefined) placed(undefined);
    else placeIn(trace).then(placed, () => placed(undefined));
  }

  /** The person has read on, or does without the rest of the step. */
  next(): void {
    const wait = this.current.value.waits[this.seen.value.length];
    if (wait?.for === "next") this.#met({ event: undefined, place: undefined });
    if (this.step.value < this.lesson.steps.length - 1) this.begin(this.step.value + 1);
  }

  /** Looks whether what is waited for has happened. Called a few times a second; never rejects. */
  async look(): Promise<void> {
    if (this.#looking || !this.#placed) return;
    this.#looking = true;
    const beginning = this.#beginning;
    try {
      // Several waits may have been met since the last look.
      for (let watch = this.#current(); watch; watch = this.#current()) {
        const met = await watch.look();
        if (beginning !== this.#beginning || met === undefined) return;
        this.#met(met);
      }
    } catch {
      // The machine went away while it was asked; the next look finds what is there then.
    } finally {
      this.#looking = false;
    }
  }

  #current(): Watch | undefined {
    return this.#watches[this.seen.value.length];
  }

  #met({ event, place }: Met): void {
    batch(() => {
      this.seen.value = [...this.seen.value, { event }];
      if (this.seen.value.length === this.#watches.length)
        this.done.value = new Set([...this.done.value, this.step.value]);
    });
    const next = this.#current();
    if (next) next.place = place;
  }
}
