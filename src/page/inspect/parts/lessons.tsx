import { renderInline } from "../../lessons/render.ts";
import type { LessonDesk } from "../../lessons/desk.ts";
import type { LessonHost } from "../../lessons/host.ts";
import type { Lesson } from "../../lessons/format.ts";
import { LessonWalk } from "./lesson-walk.tsx";

export interface LessonsProps {
  desk: LessonDesk;
  host: LessonHost;
  /** What is wrong with files that are no lessons: for whoever writes one. */
  problems: readonly string[];
}

/** The inspector's view "Lessons": which there are, or the one that somebody is in. */
export function Lessons({ desk, host, problems }: LessonsProps) {
  const walk = desk.walk.value;
  return (
    <div class="lessons">
      {walk ? (
        <LessonWalk walk={walk} host={host} onLeave={() => desk.leave()} />
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
