import { renderInline } from "../../lessons/render.ts";
import type { Lesson } from "../../lessons/format.ts";
import type { LessonsModel } from "../lesson-desk.ts";
import { leaveLesson } from "./lesson-dock.tsx";
import { LessonWalk } from "./lesson-walk.tsx";

/** The inspector's view "Lessons": which there are, or the one that somebody is in. */
export function Lessons({ desk, host, problems }: LessonsModel) {
  const walk = desk.walk.value;
  return (
    <div class="lessons">
      {walk ? (
        <LessonWalk walk={walk} host={host} onLeave={() => leaveLesson(desk, host)} />
      ) : (
        <>
          <p class="lessons-about">
            Guided walks. A step waits for what you do, or for what crosses the line between guest and
            hypervisor.
          </p>
          <ol class="lesson-list">
            {desk.lessons.map((lesson) => (
              <LessonEntry
                key={lesson.name}
                lesson={lesson}
                onBegin={() => desk.begin({ lesson: lesson.name, step: 0 })}
              />
            ))}
          </ol>
        </>
      )}
      {problems.map((problem) => (
        <p key={problem} class="lesson-problem" role="alert">
          lessons/{problem}
        </p>
      ))}
    </div>
  );
}

function LessonEntry({ lesson, onBegin }: { lesson: Lesson; onBegin: () => void }) {
  return (
    <li>
      <button type="button" class="lesson-entry" onClick={onBegin}>
        <span class="lesson-title" dangerouslySetInnerHTML={{ __html: renderInline(lesson.title) }} />
        <span class="lesson-summary" dangerouslySetInnerHTML={{ __html: renderInline(lesson.summary) }} />
        <span class="lesson-length">{lesson.steps.length} steps</span>
      </button>
    </li>
  );
}
