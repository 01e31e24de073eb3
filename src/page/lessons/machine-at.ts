import { formatConfig, parseConfig } from "../../config/grammar.ts";
import type { MachineConfig } from "../../config/types.ts";
import type { Lesson } from "./format.ts";

/** The configuration that a lesson has by the beginning of a step (from 0): its own, or that of the last `machine` block. */
export function machineAt(lesson: Lesson, step: number): string {
  const machines = lesson.steps
    .slice(0, Math.max(0, step))
    .flatMap(({ parts }) => parts.flatMap((part) => (part.type === "machine" ? [part.config] : [])));
  return machines.at(-1) ?? lesson.machine;
}

/** Whether a step (from 0) can be walked on this machine: the one it has then, that it starts, or one in a tab beside it. */
export function isRightMachine(lesson: Lesson, step: number, config: MachineConfig): boolean {
  const others = lesson.steps.flatMap(({ parts }, index) =>
    parts.flatMap((part) =>
      part.type === "open" || (part.type === "machine" && index === step) ? [part.config] : [],
    ),
  );
  const present = formatConfig(config);
  return [machineAt(lesson, step), ...others].some((text) => formatConfig(parseConfig(text)) === present);
}
