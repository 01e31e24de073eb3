import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { costBetween } from "../../src/inspect/cost.ts";
import type { TraceStatistics } from "../../src/inspect/types.ts";
import { describeCost } from "../../src/node/trace/account.ts";
import { statistics } from "./inspect-file-support.ts";

void describe("what commands cost", () => {
  const [disk] = statistics.devices;
  const [queue] = disk!.queues;
  const later: TraceStatistics = {
    time: 100,
    devices: [
      {
        ...disk!,
        exits: 12,
        kicks: 5,
        interrupts: 4,
        queues: [
          { ...queue!, requests: 3, bytesRead: 116, bytesWritten: 1_000_513 },
          { ...queue!, index: 1, requests: 10, bytesRead: 0, bytesWritten: 1 },
        ],
      },
      { ...disk!, name: "blk more" },
    ],
  };

  void it("is what crossed the line between two moments, also of a device that came meanwhile", () => {
    assert.deepEqual(costBetween(statistics, later), [
      {
        name: "blk root",
        exits: 10,
        kicks: 4,
        interrupts: 3,
        requests: 12,
        bytesRead: 100,
        bytesWritten: 1_000_001,
      },
      { name: "blk more", exits: 2, kicks: 1, interrupts: 1, requests: 1, bytesRead: 16, bytesWritten: 513 },
    ]);
  });

  void it("is a table", () => {
    const cost = { milliseconds: 1234.5, instructions: 98_765_432, devices: costBetween(statistics, later) };
    assert.equal(
      describeCost(cost),
      "1.234 s, 98,765,432 instructions\n" +
        "device    exits  kicks  interrupts  requests  bytes read  bytes written\n" +
        "blk root     10      4           3        12         100      1,000,001\n" +
        "blk more      2      1           1         1          16            513\n",
    );
  });
});
