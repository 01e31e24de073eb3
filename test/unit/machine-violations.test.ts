import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ViolationLog } from "../../src/machine/violations.ts";
import type { Violation } from "../../src/virtio/observer.ts";
import { HoldDevice } from "./driver/hold-device.ts";

describe("what a guest's drivers broke", () => {
  const violation: Violation = {
    rule: "2.7.7.1",
    sentence: "2.7.7.1 flags",
    what: "avail.flags are 2",
    queue: 0,
    descriptor: undefined,
  };
  const device = (name: string): HoldDevice => Object.assign(new HoldDevice(), { name });

  it("is said with device, section, queue, descriptor, what was seen and what is demanded", () => {
    const log = new ViolationLog();
    const { text } = log.add(device("blk home"), { ...violation, descriptor: 5 })!;
    assert.equal(
      text,
      "The guest's driver of blk home broke virtio 1.3, section 2.7.7.1 (queue 0 queue 0, descriptor 5): avail.flags " +
        "are 2. Without VIRTIO_F_EVENT_IDX the flags of the available ring are 0 or 1.",
    );
    const elsewhere = log.add(device("blk home"), {
      ...violation,
      queue: undefined,
      sentence: "3.1.1 reset",
    })!;
    assert.match(elsewhere.text, /section 2\.7\.7\.1: avail\.flags are 2\. Initialization starts with/);
    assert.match(log.add(device("blk home"), { ...violation, queue: 7 })!.text, /\(queue 7\)/);
  });

  it("is kept once for each sentence, device and queue, as it was seen first", () => {
    const log = new ViolationLog();
    const [one, other] = [device("one"), device("other")];
    assert.ok(log.add(one, violation));
    assert.equal(log.add(one, { ...violation, what: "avail.flags are 3" }), undefined);
    assert.ok(log.add(one, { ...violation, queue: 1 }));
    assert.ok(log.add(one, { ...violation, sentence: "2.7.7.1 zero" }));
    assert.ok(log.add(other, violation));
    assert.deepEqual(
      log.all.map(({ device, sentence, queue }) => [device, sentence, queue]),
      [
        ["one", "2.7.7.1 flags", 0],
        ["one", "2.7.7.1 flags", 1],
        ["one", "2.7.7.1 zero", 0],
        ["other", "2.7.7.1 flags", 0],
      ],
    );
    assert.equal(log.all[0]!.what, "avail.flags are 2");
    assert.equal(log.all[0]!.must, true);
  });
});
