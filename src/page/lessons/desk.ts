import { effect, signal } from "@preact/signals";
import type { Lesson } from "./format.ts";
import type { LessonLink } from "./link.ts";
import type { Scene } from "./scene.ts";
import { keep, kept } from "./store.ts";
import { Walk } from "./walk.ts";

/** Milliseconds between two looks at what has happened. What happens between them is not missed: see Watch. */
const INTERVAL = 200;

/** The page's lessons, and the one that somebody is in. */
export class LessonDesk {
  readonly lessons: readonly Lesson[];
  readonly walk = signal<Walk | undefined>(undefined);
  readonly #scene: Scene;
  readonly #ends: (() => void)[] = [];

  /** @param onStep what a step wants to be seen has to be brought up */
  constructor(lessons: readonly Lesson[], scene: Scene, onStep: (walk: Walk) => void) {
    this.lessons = lessons;
    this.#scene = scene;
    this.#ends.push(
      effect(() => {
        const walk = this.walk.value;
        if (walk) keep({ lesson: walk.lesson.name, step: walk.step.value, done: [...walk.done.value] });
      }),
      effect(() => {
        const walk = this.walk.value;
        if (walk?.step.value !== undefined) queueMicrotask(() => this.walk.peek() === walk && onStep(walk));
      }),
    );
    const timer = setInterval(() => void this.walk.peek()?.look(), INTERVAL);
    this.#ends.push(() => clearInterval(timer));
  }

  /** Begins a lesson, or goes to a step (from 0) of the one that goes on. False: there is no such lesson. */
  begin({ lesson: name, step }: LessonLink): boolean {
    const lesson = this.lessons.find((candidate) => candidate.name === name);
    if (!lesson) return false;
    const walk = this.walk.peek();
    if (walk?.lesson === lesson) walk.begin(step);
    else this.walk.value = new Walk(lesson, this.#scene, { step });
    return true;
  }

  /** Goes on where this tab was before a reload. */
  restore(): boolean {
    const before = kept();
    const lesson = this.lessons.find(({ name }) => name === before?.lesson);
    if (!before || !lesson) return false;
    this.walk.value = new Walk(lesson, this.#scene, before);
    return true;
  }

  leave(): void {
    this.walk.value = undefined;
    keep(undefined);
  }

  dispose(): void {
    for (const end of this.#ends) end();
  }
}
