import type { Account, DeviceStatistics, TraceStatistics } from "./types.ts";

type Cost = Account["devices"][number];

/** What crossed the line between two moments of the same trace, for each device. */
export function costBetween(before: TraceStatistics, after: TraceStatistics): Cost[] {
  const earlier = new Map(before.devices.map((device) => [device.name, costOf(device)]));
  return after.devices.map((device) => {
    const cost = costOf(device);
    const already = earlier.get(device.name);
    return already ? difference(cost, already) : cost;
  });
}

function costOf({ name, exits, kicks, interrupts, queues }: DeviceStatistics): Cost {
  const cost = { name, exits, kicks, interrupts, requests: 0, bytesRead: 0, bytesWritten: 0 };
  for (const queue of queues) {
    cost.requests += queue.requests;
    cost.bytesRead += queue.bytesRead;
    cost.bytesWritten += queue.bytesWritten;
  }
  return cost;
}

function difference(one: Cost, other: Cost): Cost {
  return {
    name: one.name,
    exits: one.exits - other.exits,
    kicks: one.kicks - other.kicks,
    interrupts: one.interrupts - other.interrupts,
    requests: one.requests - other.requests,
    bytesRead: one.bytesRead - other.bytesRead,
    bytesWritten: one.bytesWritten - other.bytesWritten,
  };
}
