/** Breakpoints as somebody types them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TraceEvent } from "../../src/inspect/types.ts";
import {
  breakpointLike,
  type BreakpointDraft,
  describeBreakpoint,
  draftOf,
  EMPTY_DRAFT,
  parseBreakpoint,
} from "../../src/page/inspect/breakpoint-form.ts";
import { stopSentence } from "../../src/page/inspect/stop-words.ts";

const parse = (draft: Partial<BreakpointDraft>) => parseBreakpoint({ ...EMPTY_DRAFT, ...draft });
const wrong = (draft: Partial<BreakpointDraft>) => {
  const result = parse(draft);
  return result.ok ? [] : Object.keys(result.problems);
};

describe("a breakpoint that is typed", () => {
  it("has what was given and nothing else", () => {
    assert.deepEqual(parse({ device: " blk0 ", queue: "0", kind: "chain", sectors: "2048 - 4095" }), {
      ok: true,
      breakpoint: { device: "blk0", queue: 0, kind: "chain", sectors: { first: 2048, last: 4095 } },
    });
    assert.deepEqual(parse({ sectors: "7" }), {
      ok: true,
      breakpoint: { sectors: { first: 7, last: 7 } },
    });
    assert.deepEqual(parse({ kind: "access", register: "device_status" }), {
      ok: true,
      breakpoint: { kind: "access", register: "device_status" },
    });
  });

  it("knows EtherTypes by number and by name", () => {
    for (const etherType of ["0x0806", "2054", "arp", "ARP"])
      assert.deepEqual(parse({ etherType }), { ok: true, breakpoint: { etherType: 0x0806 } }, etherType);
  });

  it("says which part is wrong", () => {
    assert.deepEqual(wrong({}), ["kind"]);
    assert.deepEqual(wrong({ kind: "knock" }), ["kind"]);
    for (const queue of ["-1", "1.5", "65536", "one"]) assert.deepEqual(wrong({ queue }), ["queue"], queue);
    for (const sectors of ["9-3", "a", "1-2-3", "-4", "99999999999999999999"])
      assert.deepEqual(wrong({ sectors }), ["sectors"], sectors);
    for (const etherType of ["46", "0x10000", "apr", "0x", "1e3"])
      assert.deepEqual(wrong({ etherType }), ["etherType"], etherType);
    assert.deepEqual(wrong({ register: "a\nb", queue: "x" }), ["queue", "register"]);
  });

  it("refuses parts that can never match together", () => {
    assert.deepEqual(wrong({ kind: "kick", register: "device_status" }), ["register"]);
    assert.deepEqual(wrong({ kind: "kick", sectors: "5" }), ["sectors"]);
    assert.deepEqual(wrong({ kind: "status", queue: "0" }), ["queue"]);
    assert.deepEqual(wrong({ sectors: "5", etherType: "ARP" }), ["etherType"]);
  });

  it("comes back into the form as it was", () => {
    for (const draft of [
      { device: "net0", kind: "frame", etherType: "ARP" },
      { etherType: "0x88cc" },
      { sectors: "1-9", queue: "3" },
    ]) {
      const result = parse(draft);
      assert.ok(result.ok, JSON.stringify(draft));
      assert.deepEqual(draftOf(result.breakpoint), { ...EMPTY_DRAFT, ...draft });
    }
  });
});

describe("a breakpoint in words", () => {
  it("names what has to match", () => {
    assert.equal(
      describeBreakpoint({ device: "console0", queue: 1, kind: "kick" }),
      "kick, console0, queue 1",
    );
    assert.equal(describeBreakpoint({ sectors: { first: 1, last: 9 } }), "any event, sectors 1-9");
  });

  it("is why the machine stands still", () => {
    const breakpoints = [{ id: "a", enabled: true, kind: "kick" as const, device: "blk0" }];
    assert.equal(
      stopSentence({ by: "breakpoint", breakpoint: "a", event: 12 }, breakpoints),
      "Stands still at event 12: the breakpoint on kick, blk0.",
    );
    assert.equal(
      stopSentence({ by: "breakpoint", breakpoint: "b", event: 12 }, breakpoints),
      "Stands still at event 12: a breakpoint that is gone.",
    );
    assert.equal(stopSentence(undefined, breakpoints), "The machine runs.");
  });
});

describe("stop at events like this one", () => {
  const like = (detail: object) => breakpointLike({ seq: 1, time: 1, device: "d", ...detail } as TraceEvent);
  it("takes what the kind of event has", () => {
    assert.deepEqual(like({ kind: "kick", queue: 2 }), { device: "d", kind: "kick", queue: 2 });
    assert.deepEqual(like({ kind: "access", register: "queue_select" }), {
      device: "d",
      kind: "access",
      register: "queue_select",
    });
    assert.deepEqual(like({ kind: "interrupt", cause: "config", queue: 0 }), {
      device: "d",
      kind: "interrupt",
    });
    assert.deepEqual(like({ kind: "violation", queue: 1 }), { device: "d", kind: "violation" });
  });
});
