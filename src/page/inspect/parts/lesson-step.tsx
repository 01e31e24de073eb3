import type { Lesson, LessonPart, LessonStep } from "../../lessons/format.ts";
import type { LessonHost } from "../../lessons/host.ts";
import { lessonLink } from "../../lessons/link.ts";
import { renderInline, renderMarkdown } from "../../lessons/render.ts";
import type { Seen } from "../../lessons/walk.ts";
import { Button } from "../../parts/button.tsx";

export interface LessonPartsProps {
  lesson: Lesson;
  step: LessonStep;
  host: LessonHost;
}

/** What stands in a step: text, commands, machines. */
export function LessonParts({ lesson, step, host }: LessonPartsProps) {
  return (
    <div class="lesson-parts">
      {step.parts.map((part, index) => (
        <Part key={`${step.line}-${index}`} lesson={lesson} part={part} host={host} />
      ))}
      {step.show && <Button label="Show me" icon="find" onClick={() => step.show && host.show(step.show)} />}
    </div>
  );
}

function Part({ lesson, part, host }: { lesson: Lesson; part: LessonPart; host: LessonHost }) {
  switch (part.type) {
    case "text":
      return <div class="lesson-text" dangerouslySetInnerHTML={{ __html: renderMarkdown(part.markdown) }} />;
    case "run":
      return (
        <ul class="lesson-commands">
          {part.commands.map((command) => (
            <li key={command}>
              <code>{command}</code>
              <Button label="Type it" onClick={() => host.run(command)} />
            </li>
          ))}
        </ul>
      );
    case "machine":
      return (
        <p class="lesson-machine">
          <code>{part.config}</code>
          <Button label="Start this machine" tone="primary" onClick={() => host.start(part.config)} />
        </p>
      );
    case "open": {
      const page = location.origin + location.pathname;
      const address =
        part.step === undefined
          ? `${page}#${part.config}`
          : lessonLink(page, { lesson: lesson.name, step: part.step }, part.config);
      return (
        <p class="lesson-machine">
          <code>{part.config}</code>
          <a class="button primary" href={address} target="_blank" rel="noopener">
            Open in another tab
          </a>
        </p>
      );
    }
  }
}

export interface LessonWaitsProps {
  step: LessonStep;
  /** Those that were met, the first ones. */
  seen: readonly Seen[];
  /** Also when it was before this time. */
  done: boolean;
  host: LessonHost;
}

/** What the step waits for, each with what met it. */
export function LessonWaits({ step, seen, done, host }: LessonWaitsProps) {
  return (
    <ol class="lesson-waits" aria-live="polite" aria-label="What this step waits for">
      {step.waits.map((wait, index) => {
        const met = seen[index];
        const state = met ? "met" : done ? "before" : index === seen.length ? "waiting" : "later";
        const { event } = met ?? {};
        return (
          <li key={index} class={`lesson-wait ${state}`}>
            <span class="lesson-wait-text">
              <span dangerouslySetInnerHTML={{ __html: renderInline(wait.say) }} />
              <span class="lesson-wait-state"> {WORDS[state]}</span>
            </span>
            {event && <Button label={`Show event ${event.seq}`} onClick={() => host.reveal(event)} />}
          </li>
        );
      })}
    </ol>
  );
}

const WORDS = { met: "Seen.", before: "Seen before.", waiting: "Waiting …", later: "Then." };
