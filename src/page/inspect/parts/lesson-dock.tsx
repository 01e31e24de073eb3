import type { LessonDesk } from "../../lessons/desk.ts";
import type { LessonHost } from "../../lessons/host.ts";
import type { LessonsModel } from "../lesson-desk.ts";
import { LessonWalk } from "./lesson-walk.tsx";

/** The lesson that goes on, beside whatever view it speaks of. Nothing while there is none. */
export function LessonDock({ desk, host }: LessonsModel) {
  const walk = desk.walk.value;
  if (!walk) return null;
  return (
    <aside class="lesson-dock" aria-label="Lesson">
      <LessonWalk walk={walk} host={host} onLeave={() => leaveLesson(desk, host)} />
    </aside>
  );
}

/** Back to the list of all lessons. */
export function leaveLesson(desk: LessonDesk, host: LessonHost): void {
  desk.leave();
  host.show({ tab: "lessons", device: undefined, queue: undefined });
}
