import type { TraceStatistics } from "../../inspect/types.ts";

/** What happened between two readings of the counters, for those who do not see the rings; empty: nothing. */
export function saidSince(before: TraceStatistics, now: TraceStatistics): string {
  const parts = now.devices.flatMap(({ name, queues, interrupts }) => {
    const earlier = before.devices.find((device) => device.name === name);
    const requests = total(queues) - total(earlier?.queues ?? []);
    const raised = interrupts - (earlier?.interrupts ?? 0);
    if (requests <= 0 && raised <= 0) return [];
    return [`${name}: ${counted(requests, "request")}, ${counted(raised, "interrupt")}`];
  });
  return parts.join("; ");
}

function total(queues: readonly { requests: number }[]): number {
  return queues.reduce((sum, { requests }) => sum + requests, 0);
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
