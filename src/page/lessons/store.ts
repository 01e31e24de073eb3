/** What of a lesson survives a reload: in this tab only. */
const KEY = "ringside-lesson";

export interface Kept {
  lesson: string;
  /** From 0. */
  step: number;
  done: number[];
}

export function keep(kept: Kept | undefined): void {
  try {
    if (kept) sessionStorage.setItem(KEY, JSON.stringify(kept));
    else sessionStorage.removeItem(KEY);
  } catch {
    // The browser keeps nothing for this page: a reload begins the lesson again.
  }
}

export function kept(): Kept | undefined {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (typeof value !== "object" || value === null) return undefined;
    const { lesson, step, done } = value as Partial<Record<keyof Kept, unknown>>;
    if (typeof lesson !== "string" || !isStep(step) || !Array.isArray(done)) return undefined;
    return { lesson, step, done: done.filter(isStep) };
  } catch {
    return undefined;
  }
}

function isStep(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
