import { readCatalog } from "./catalog.ts";
import { readLessonLink, withoutLesson } from "./link.ts";
import { machineAt } from "./machine-at.ts";
import { keep } from "./store.ts";
import { LESSON_TABS } from "./tabs.ts";

/**
 * Makes of an address with a lesson one of a machine: the lesson's own, unless a fragment says which. The lesson itself is kept
 * for the inspector, as after a reload. Called before anybody has read the address. Returns what is wrong, as a sentence.
 */
export function takeLessonLink(): string | undefined {
  const link = readLessonLink(location.search);
  if (!link) return undefined;
  const lesson = readCatalog(LESSON_TABS).lessons.find(({ name }) => name === link.lesson);
  let { hash } = location;
  if (lesson) {
    keep({ ...link, done: [] });
    const machine = machineAt(lesson, link.step);
    if (hash === "" && machine !== "") hash = `#${machine}`;
  }
  history.replaceState(history.state, "", location.pathname + withoutLesson(location.search) + hash);
  return lesson ? undefined : `There is no lesson "${link.lesson}" here.`;
}
