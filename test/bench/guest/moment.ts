import type { Cost } from "./protocol.ts";

/** All clocks at one time. */
export interface Moment {
  time: number;
  /** Microseconds. */
  processor: number;
  /** Modulo 2^32. */
  instructions: number;
}

export function now(instructions: number): Moment {
  const { user, system } = process.cpuUsage();
  return { time: performance.now(), processor: user + system, instructions };
}

export function costBetween(from: Moment, to: Moment): Cost {
  return {
    milliseconds: to.time - from.time,
    processor: (to.processor - from.processor) / 1000,
    instructions: (to.instructions - from.instructions) >>> 0,
  };
}
