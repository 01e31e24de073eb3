/** Recordings in the page: saved, opened again, and what is none. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TraceEvent } from "../../src/inspect/types.ts";
import { recordingName } from "../../src/page/inspect/recording-name.ts";
import { Recordings } from "../../src/page/inspect/recordings.ts";
import { fakeSource } from "./inspect-source.ts";

const events = Array.from({ length: 500 }, (_, at): TraceEvent => {
  return { seq: at, time: at * 1000, device: "console0", kind: "kick", queue: at % 2 };
});

async function saved(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fakeSource(events).file("ringside")).arrayBuffer());
}

describe("a recording in the page", () => {
  it("opens again with the same events, and goes away again", async () => {
    const desk = new Recordings();
    await desk.openRecording(new File([await saved()], "a.ringside"));
    assert.deepEqual(desk.recording.value, { name: "a.ringside", note: undefined });
    const source = desk.source.value!;
    assert.equal(source.summary.value?.next, 500);
    assert.deepEqual(await source.events({ limit: 1000 }), events);
    assert.equal(source.statistics.value?.devices[0]?.kicks, 500);
    desk.closeRecording();
    assert.equal(desk.source.value, undefined);
    assert.equal(desk.recording.value, undefined);
  });

  it("is refused with a sentence when it is damaged or none; what was open stays", async () => {
    const desk = new Recordings();
    const whole = await saved();
    await desk.openRecording(new File([whole], "a.ringside"));
    const damaged = whole.slice();
    damaged[damaged.length - 30]! ^= 0xff;
    await assert.rejects(desk.openRecording(new File([damaged], "b")), /This recording is damaged/);
    await assert.rejects(desk.openRecording(new File(["text"], "c")), /not a recording of Ringside/);
    assert.equal(desk.recording.value?.name, "a.ringside");
  });

  it("that is cut short says so", async () => {
    const desk = new Recordings();
    await desk.openRecording(new File([(await saved()).slice(0, -20)], "a.ringside"));
    assert.match(desk.recording.value?.note ?? "", /cut short/);
  });

  it("has a name that says when it began, whatever a file claims", () => {
    assert.equal(
      recordingName(Date.UTC(2026, 10, 23, 9, 5), "ringside"),
      "trace-2026-11-23T09-05-00.ringside",
    );
    assert.equal(recordingName(NaN, "pcapng"), "trace-1970-01-01T00-00-00.pcapng");
  });
});
