import { readCatalog } from "../lessons/catalog.ts";
import { LessonDesk } from "../lessons/desk.ts";
import type { LessonHost } from "../lessons/host.ts";
import { LESSON_TABS } from "../lessons/tabs.ts";
import { lessonHost, lessonScene, type LessonStage } from "./lesson-scene.ts";

/** The page's lessons, with all that their view needs. */
export interface LessonsModel {
  desk: LessonDesk;
  host: LessonHost;
  problems: readonly string[];
}

/** Makes them, and goes on with the lesson that a link or a reload left in this tab. The desk is to be disposed of. */
export function openLessons(stage: LessonStage): LessonsModel {
  const { lessons, problems } = readCatalog(LESSON_TABS);
  const host = lessonHost(stage);
  const desk = new LessonDesk(lessons, lessonScene(stage), ({ current }) => {
    const { show } = current.peek();
    if (show) host.show(show);
  });
  desk.restore();
  return { desk, host, problems };
}
