/** `?lesson=NAME&step=N#CONFIG`; N from 1. */
export interface LessonLink {
  lesson: string;
  /** From 0. */
  step: number;
}

export function readLessonLink(search: string): LessonLink | undefined {
  const query = new URLSearchParams(search);
  const lesson = query.get("lesson");
  if (!lesson) return undefined;
  const step = Number(query.get("step") ?? "1");
  return { lesson, step: Number.isSafeInteger(step) && step > 0 ? step - 1 : 0 };
}

/**
 * The address of a lesson's step.
 * @param page the page's own, without query and fragment
 * @param config the machine, as after `#`; undefined: the lesson's own, whatever it will be then
 */
export function lessonLink(page: string, { lesson, step }: LessonLink, config?: string): string {
  const query = new URLSearchParams({ lesson, step: String(step + 1) });
  return `${page}?${query.toString()}${config === undefined ? "" : `#${config}`}`;
}

/** A query without what it says of a lesson: the page's further links are of machines alone. */
export function withoutLesson(search: string): string {
  const query = new URLSearchParams(search);
  query.delete("lesson");
  query.delete("step");
  const rest = query.toString();
  return rest === "" ? "" : `?${rest}`;
}
