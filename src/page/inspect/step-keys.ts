/** Keys of the controls. They work while the inspector has the focus, and nobody types into a field of it. */
export const STEP_KEYS = { pause: "p", crossing: "n", used: "e", delivery: "i", slow: "s" } as const;

export type StepKey = keyof typeof STEP_KEYS;

/** Milliseconds of waiting after each crossing. */
export const SLOWNESS = [
  { milliseconds: 0, name: "off" },
  { milliseconds: 100, name: "0.1 s" },
  { milliseconds: 500, name: "0.5 s" },
  { milliseconds: 1000, name: "1 s" },
] as const;

/** The next slower motion, and after the slowest none. */
export function slower(milliseconds: number): number {
  const at = SLOWNESS.findIndex((known) => known.milliseconds === milliseconds);
  return SLOWNESS[(at + 1) % SLOWNESS.length]!.milliseconds;
}

/** What a key press asks for; undefined: nothing of ours. */
export function stepKey(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "altKey" | "metaKey" | "defaultPrevented" | "repeat">,
  typing: boolean,
): StepKey | undefined {
  if (typing || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return undefined;
  const key = (Object.keys(STEP_KEYS) as StepKey[]).find(
    (name) => STEP_KEYS[name] === event.key.toLowerCase(),
  );
  // A key that is held steps on, but does not pause and go on in turn.
  return event.repeat && (key === "pause" || key === "slow") ? undefined : key;
}
