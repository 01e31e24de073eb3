import { useEffect, useRef } from "preact/hooks";
import type { LessonHost } from "../../lessons/host.ts";
import { lessonLink } from "../../lessons/link.ts";
import { isRightMachine, machineAt } from "../../lessons/machine-at.ts";
import { renderInline } from "../../lessons/render.ts";
import type { Walk } from "../../lessons/walk.ts";
import { Button } from "../../parts/button.tsx";
import { CopyButton } from "../../parts/copy-button.tsx";
import { LessonParts, LessonWaits } from "./lesson-step.tsx";

export interface LessonWalkProps {
  walk: Walk;
  host: LessonHost;
  onLeave: () => void;
}

/** One step of a lesson with its controls: in the view "Lessons", and beside every other while a lesson goes on. */
export function LessonWalk({ walk, host, onLeave }: LessonWalkProps) {
  const { lesson } = walk;
  const index = walk.step.value;
  const step = walk.current.value;
  const done = walk.done.value.has(index);
  const last = index === lesson.steps.length - 1;
  const waitsForPerson = step.waits[walk.seen.value.length]?.for === "next";
  const heading = useRef<HTMLHeadingElement>(null);
  const begun = useRef(index);

  // A screen reader is told of a new step; on the first one the focus stays where it is.
  useEffect(() => {
    if (begun.current !== index) heading.current?.focus({ preventScroll: false });
    begun.current = index;
  }, [index]);

  return (
    <article class="lesson-walk" aria-label={`Lesson: ${lesson.title}`}>
      <header class="lesson-head">
        <p class="lesson-name">
          <span dangerouslySetInnerHTML={{ __html: renderInline(lesson.title) }} />
          <span class="lesson-count">
            step {index + 1} of {lesson.steps.length}
          </span>
        </p>
        <ol class="lesson-steps">
          {lesson.steps.map(({ title }, other) => (
            <li key={title}>
              <button
                type="button"
                class={`lesson-dot ${walk.done.value.has(other) ? "done" : ""}`}
                aria-current={other === index ? "step" : undefined}
                aria-label={`Step ${other + 1}: ${title}${walk.done.value.has(other) ? ", done" : ""}`}
                title={title}
                onClick={() => walk.begin(other)}
              />
            </li>
          ))}
        </ol>
        <Button label="Leave the lesson" icon="close" compact onClick={onLeave} />
      </header>
      <h3
        class="lesson-step-title"
        tabIndex={-1}
        ref={heading}
        dangerouslySetInnerHTML={{ __html: renderInline(step.title) }}
      />
      <WrongMachine walk={walk} host={host} />
      <LessonParts lesson={lesson} step={step} host={host} />
      <LessonWaits step={step} seen={walk.seen.value} done={done} host={host} />
      <div class="lesson-controls">
        <Button label="Back" disabled={index === 0} onClick={() => walk.begin(index - 1)} />
        {(!last || (waitsForPerson && !done)) && (
          <Button
            label={done || waitsForPerson ? "Next" : "Skip"}
            tone={done || waitsForPerson ? "primary" : "plain"}
            onClick={() => walk.next()}
          />
        )}
        {last && done && <Button label="To the lessons" tone="primary" onClick={onLeave} />}
        <CopyButton
          key={index}
          label="Copy link to this step"
          copy={() =>
            host.copy(lessonLink(location.origin + location.pathname, { lesson: lesson.name, step: index }))
          }
        />
      </div>
      {last && done && (
        <p class="lesson-end" role="status">
          {walk.ended.value
            ? "You have been through the whole lesson."
            : "That was the last step; some were left out."}
        </p>
      )}
    </article>
  );
}

function WrongMachine({ walk, host }: { walk: Walk; host: LessonHost }) {
  const config = host.config();
  const index = walk.step.value;
  if (config && isRightMachine(walk.lesson, index, config)) return null;
  return (
    <div class="lesson-machine" role="note">
      <p>This step is for another machine than the one here.</p>
      <Button label="Start the lesson's machine" onClick={() => host.start(machineAt(walk.lesson, index))} />
    </div>
  );
}
