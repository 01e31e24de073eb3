import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import {
  MAXIMUM_BLOCK,
  RecordingError,
  type TraceEnd,
  type TraceHead,
} from "../../src/inspect/file/format.ts";
import { readRecording } from "../../src/inspect/file/open.ts";
import { pack } from "../../src/inspect/file/members.ts";
import { type ByteSource, RecordingReader } from "../../src/inspect/file/recording-reader.ts";
import { RecordingWriter } from "../../src/inspect/file/recording-writer.ts";
import { traceFile } from "../../src/inspect/file/save.ts";
import type { EventQuery, TraceEvent } from "../../src/inspect/types.ts";
import { everyKind, Growing, head, statistics } from "./inspect-file-support.ts";

/** The members of a recording, by their lengths. */
function members(file: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < file.length;) {
    const length = Buffer.from(file).readUInt32LE(at + 16);
    found.push(file.subarray(at, at + length));
    at += length;
  }
  return found;
}

async function recording(
  events: readonly TraceEvent[],
  change: Partial<TraceEnd> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new RecordingWriter();
  const parts = [await writer.begin(head)];
  for (let from = 0; from < events.length; from += 100) {
    parts.push(await writer.add(events.slice(from, from + 100)));
  }
  const time = events.at(-1)?.time ?? 0;
  parts.push(await writer.end({ time, events: events.length, dropped: 3, statistics, ...change }));
  return Buffer.concat(parts);
}

async function read(file: Uint8Array | ByteSource) {
  const reader = await RecordingReader.open(file instanceof Uint8Array ? [file] : file);
  const events: TraceEvent[] = [];
  for await (const some of reader.events()) events.push(...some);
  return { reader, events };
}

const packed = (...lines: string[]): Promise<Uint8Array> =>
  pack(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));

const HEAD = JSON.stringify({ recording: "ringside", version: 1, ...head });
const KICK = { seq: 0, time: 1, device: "blk root", kind: "kick", queue: 0 };

/** A recording of these lines after its beginning. */
async function of(...lines: object[]): Promise<Uint8Array> {
  return Buffer.concat([await packed(HEAD), await packed(...lines.map((line) => JSON.stringify(line)))]);
}

const refused = (file: Uint8Array | Promise<Uint8Array>, why: RegExp): Promise<void> =>
  assert.rejects(
    async () => read(await file),
    (error) => error instanceof RecordingError && why.test(error.message),
  );

/** Of some blocks. */
const many = Array.from({ length: 5000 }, (_, seq): TraceEvent => ({
  ...everyKind[seq % everyKind.length]!,
  seq,
  time: seq / 7,
}));

/** Their recording. */
const long = recording(many);

void describe("a recording", () => {
  void it("gives back what was written, whatever pieces it comes in", async () => {
    const file = await recording(everyKind);
    const { reader, events } = await read(file);
    assert.deepEqual(events, everyKind);
    assert.deepEqual(reader.head, head satisfies TraceHead);
    assert.deepEqual(reader.end, {
      time: everyKind.at(-1)!.time,
      events: everyKind.length,
      dropped: 3,
      statistics,
    });
    assert.equal(reader.cut, undefined);
    const single = Array.from(file, (byte) => Uint8Array.of(byte));
    assert.deepEqual((await read(single)).events, everyKind);
  });

  void it("is a gzip file of JSON lines to others, in blocks", async () => {
    const file = await long;
    const lines = gunzipSync(file).toString().trimEnd().split("\n");
    assert.equal(lines.length, many.length + 2);
    assert.equal((JSON.parse(lines[1]!) as TraceEvent).kind, many[0]!.kind);
    assert.ok(members(file).length > 4, "5,000 events are several blocks");
    assert.ok(file.length < 25 * many.length, `it packs: ${file.length} bytes`);
  });

  void it("of a writer that was killed is read to its last whole block", async () => {
    const file = await long;
    const whole = members(file);
    const blocks = whole.slice(0, 2).reduce((sum, { length }) => sum + length, 0);
    for (const more of [0, 1, 19, 20, 1000]) {
      const { reader, events } = await read(file.subarray(0, blocks + more));
      assert.ok(events.length > 400 && events.length < many.length, "some blocks are there");
      assert.equal(events.at(-1)!.seq, events.length - 1);
      assert.match(reader.cut!, new RegExp(`cut short.*first ${events.length} events`));
      assert.equal(reader.end, undefined);
    }
    await refused(file.subarray(0, 50), /cut short before its first event/);
  });

  void it("is refused when it is foreign, or of a version to come", async () => {
    await refused(new Uint8Array(), /not a recording of Ringside/);
    await refused(Buffer.from("{}"), /not a recording of Ringside\./);
    await refused(gzipSync(`${HEAD}\n`), /not a recording of Ringside\./);
    await refused(packed(JSON.stringify(KICK)), /does not begin as a recording/);
    await refused(packed("{}"), /cannot be read/);
    await refused(packed(HEAD.replace('"version":1', '"version":2')), /version 2, and this Ringside knows 1/);
  });

  void it("is refused where it is damaged", async () => {
    const file = Buffer.from(await long);
    const [first, second, third] = members(file) as [Uint8Array, Uint8Array, Uint8Array];
    const at = first.length + second.length;
    const changed = (offset: number): Buffer => {
      const copy = Buffer.from(file);
      copy[offset]! ^= 0x10;
      return copy;
    };
    for (const offset of [0, 3, 12, 17, 25, 400, third.length - 3]) {
      await refused(changed(at + offset), new RegExp(`damaged at byte ${at}\\b|damaged at byte ${at + 1}`));
    }
    await refused(
      Buffer.concat([file.subarray(0, at), file.subarray(at + third.length)]),
      /damaged.* events, and/,
    );
    await refused(Buffer.concat([first, second, second]), /comes after event/);
    await refused(Buffer.concat([file, await packed(JSON.stringify(KICK))]), /something comes after its end/);
    await refused(Buffer.concat([file, first.subarray(0, 9)]), /something comes after its end/);
    await refused(recording(everyKind, { events: 7 }), /had 7 events/);
  });

  void it("that somebody forged allocates no more than its bounds", async () => {
    const bomb = gzipSync(Buffer.alloc(MAXIMUM_BLOCK * 8, "\n"));
    const forged = Buffer.concat([await packed(HEAD), withLength(bomb)]);
    await refused(forged, /a block is more than/);
    await refused(Buffer.concat([await packed(HEAD), await packed("\n".repeat(1 << 20))]), /not JSON/);
    await refused(Buffer.concat([await packed(HEAD), await packed("[".repeat(1 << 20))]), /not JSON/);
    const long = Buffer.from(await packed(HEAD));
    long.writeUInt32LE(0xffff_ffff, 16);
    await refused(long, /not a recording/);
    const wrong: [object, RegExp][] = [
      [{ ...KICK, seq: -1 }, /"seq" is not a whole number/],
      [{ ...KICK, time: "1" }, /"time"/],
      [{ ...KICK, queue: 2 ** 40 }, /"queue"/],
      [{ ...KICK, kind: "constructor" }, /no kind that is known/],
      [{ ...KICK, device: "x".repeat(300) }, /"device"/],
      [{ ...KICK, requests: { first: 9, last: 2 } }, /end before they begin/],
      [{ ...KICK, kind: "frame", direction: "up", length: 1, sample: "00" }, /"direction"/],
      [{ ...KICK, kind: "frame", direction: "in", length: 1, sample: "0g" }, /"sample"/],
      [{ ...KICK, kind: "frame", direction: "in", length: 1, sample: "0".repeat(300_000) }, /"sample"/],
      [
        {
          ...KICK,
          kind: "chain",
          head: 1,
          readable: 1,
          writable: 1,
          sample: "",
          buffers: Array(5000).fill(0),
        },
        /"buffers"/,
      ],
      [{ devices: Array(1000).fill(head.devices[0]) }, /"devices" is not a list of at most/],
      [{ end: { time: 0, events: 0, dropped: 0 }, statistics: { time: 0, devices: 1 } }, /"devices"/],
      [{ something: "else" }, /neither an event/],
    ];
    for (const [line, why] of wrong) await refused(of(line), why);
    const devices = [{ ...head.devices[0]!, name: "blk more" }];
    const { reader } = await read(await of(KICK, { devices }));
    assert.deepEqual(reader.devices, devices);
  });
});

void describe("a recording that is opened", () => {
  void it("is a trace again, the same questions with the same answers", async () => {
    const { trace, note } = await readRecording(new Blob([await long]));
    assert.equal(note, undefined);
    const { start, config, devices, next, dropped } = trace.summary();
    assert.deepEqual({ start, config, devices }, head);
    assert.deepEqual([next, dropped], [many.length, 3]);
    assert.deepEqual(trace.statistics(), statistics);
    const [kick] = trace.events({ kinds: ["kick"], limit: 1 });
    assert.deepEqual(kick?.requests, { first: 1, last: 1 });
    const again = await readRecording(await trace.file("ringside"));
    assert.deepEqual(
      again.trace.events({ from: 3000, limit: 500 }),
      trace.events({ from: 3000, limit: 500 }),
    );
  });

  void it("says when it is cut short, and what it lacks is counted", async () => {
    const file = await recording(many.filter(({ seq }) => seq >= 10));
    const { trace, note } = await readRecording(file.slice(0, file.length - 30));
    assert.match(note!, /cut short/);
    const { first, next, dropped } = trace.summary();
    assert.deepEqual([first, dropped], [10, 10]);
    assert.ok(next > 1000, `${next} events`);
    await assert.rejects(readRecording(new Uint8Array(100)), /not a recording of Ringside/);
  });
});

void describe("a trace in memory, as a file", () => {
  void it("has what there is when it begins, without what is lost and what comes meanwhile", async () => {
    class Losing extends Growing {
      override events(query: EventQuery): TraceEvent[] {
        const events = super.events(query);
        this.lost = 1200; // after the first thousand
        this.add();
        return events;
      }
    }
    const trace = new Losing();
    for (let i = 0; i < 2500; i++) trace.add();
    trace.lost = 100;
    const file = await traceFile(trace, "ringside");
    assert.equal(file.type, "application/gzip");
    const { reader, events } = await read(file.stream() as AsyncIterable<Uint8Array>);
    const numbers = [...Array(2500).keys()].filter((seq) => seq >= 100 && (seq < 1100 || seq >= 1200));
    assert.deepEqual(
      events.map(({ seq }) => seq),
      numbers,
    );
    assert.deepEqual([reader.end!.events, reader.end!.dropped], [2300, 200]);
  });

  void it("is JSON or pcapng as well", async () => {
    const trace = new Growing();
    for (let i = 0; i < 30; i++) trace.add();
    const perfetto = await traceFile(trace, "perfetto");
    assert.ok(Array.isArray(JSON.parse(await perfetto.text())), "a JSON array");
    const frames = Buffer.from(await (await traceFile(trace, "pcapng")).arrayBuffer());
    assert.equal(frames.readUInt32LE(0), 0x0a0d0d0a);
    assert.equal(frames.toString("latin1").split("net net0").length, 2, "one interface");
  });
});

/** A plain gzip file as a member of ours, with the length that it has. */
function withLength(plain: Buffer): Buffer {
  const extra = Buffer.from([8, 0, 0x52, 0x53, 4, 0, 0, 0, 0, 0]);
  extra.writeUInt32LE(plain.length + extra.length, 6);
  const member = Buffer.concat([plain.subarray(0, 10), extra, plain.subarray(10)]);
  member[3] = 4;
  return member;
}
