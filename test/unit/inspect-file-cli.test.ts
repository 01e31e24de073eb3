import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { PerfettoWriter } from "../../src/inspect/file/perfetto.ts";
import { RecordingReader } from "../../src/inspect/file/recording-reader.ts";
import { RecordingWriter } from "../../src/inspect/file/recording-writer.ts";
import type { TraceEvent } from "../../src/inspect/types.ts";
import { UsageError } from "../../src/node/status.ts";
import { trace } from "../../src/node/trace/command.ts";
import { formatOf } from "../../src/node/trace/ending.ts";
import { openRecording } from "../../src/node/trace/recording.ts";
import { everyKind, Growing, head, statistics } from "./inspect-file-support.ts";
import { checkTraceEvents, type Row } from "./trace-event-format.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ringside-trace-"));
});
after(() => rm(folder, { recursive: true }));

function unexpected(message: string): void {
  throw new Error(message);
}

/** Runs `ringside trace` with its output as text. */
async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const texts = { out: "", err: "" };
  const status = await trace(args, {
    out: (text) => (texts.out += text),
    err: (text) => (texts.err += text),
  });
  return { status, ...texts };
}

async function read(path: string) {
  const reader = await RecordingReader.open([await readFile(path)]);
  const events: TraceEvent[] = [];
  for await (const some of reader.events()) events.push(...some);
  return { reader, events };
}

void describe("a recording of a run", () => {
  void it("has all that was recorded, and counts what the trace lost before it was written", async () => {
    const path = join(folder, "run.ringside");
    const growing = new Growing();
    const recording = await openRecording(path, growing, unexpected);
    const grow = (count: number): void => {
      for (let i = 0; i < count; i++) {
        growing.add();
        recording.recorded();
      }
    };
    grow(2500);
    growing.lost = 700; // in the turn in which they came: nothing is written yet
    await new Promise((resolve) => setTimeout(resolve, 20));
    grow(800);
    await recording.end();
    const { reader, events } = await read(path);
    assert.equal(reader.cut, undefined);
    assert.deepEqual(
      events.map(({ seq }) => seq),
      Array.from({ length: 2600 }, (_, i) => 700 + i),
    );
    assert.deepEqual([reader.end!.events, reader.end!.dropped, reader.end!.time], [2600, 700, 3299]);
    const { bytes, ...status } = recording.status;
    assert.deepEqual(status, { path, events: 2600, dropped: 700 });
    assert.equal(bytes, (await readFile(path)).length);
  });

  void it("tells once, in plain words, when the disk is full, and goes on without the file", async () => {
    const messages: string[] = [];
    const growing = new Growing();
    // The only device of Linux whose disk is always full.
    const recording = await openRecording(
      "/dev/full",
      growing,
      (message) => messages.push(message),
      "ringside",
    );
    for (let i = 0; i < 5000; i++) {
      growing.add();
      recording.recorded();
      if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    await recording.end();
    assert.equal(messages.length, 1);
    assert.match(
      messages[0]!,
      /^The recording ends before the machine does: \/dev\/full cannot be written \(.*no space left/,
    );
    assert.deepEqual([recording.status.events, recording.status.dropped], [0, 5000]);
  });

  void it("is refused where the file cannot be made, or its name says nothing", async () => {
    const nowhere = join(folder, "no", "x.json");
    await assert.rejects(
      openRecording(nowhere, new Growing(), unexpected),
      /x\.json cannot be written \(.*no such file/,
    );
    assert.throws(() => formatOf("x.txt"), UsageError);
    assert.deepEqual(["a.ringside", "b.JSON", "c.pcapng"].map(formatOf), ["ringside", "perfetto", "pcapng"]);
  });
});

void describe("ringside trace", () => {
  const path = (): string => join(folder, "all.ringside");
  before(async () => {
    const writer = new RecordingWriter();
    const [time, events] = [everyKind.at(-1)!.time, everyKind.length];
    const parts = [await writer.begin(head), await writer.add(everyKind), await writer.flush()];
    parts.push(await writer.end({ time, events, dropped: 1234, statistics }));
    await writeFile(path(), Buffer.concat(parts));
    await writeFile(join(folder, "cut.ringside"), Buffer.concat(parts.slice(0, -1)));
  });

  void it("says what a recording holds", async () => {
    const { status, out: text, err } = await run(path());
    assert.deepEqual([status, err], [0, ""]);
    assert.match(text, /^ {2}began {4}2026-09-2\dT.*Z, 0\.000 s$/m);
    assert.match(text, /^ {2}machine {2}memory=128M&device=blk/m);
    assert.match(text, /^ {2}events {3}15, not in it: 1,234$/m);
    assert.match(
      text,
      /^device +transport +events +exits +kicks +interrupts +requests +bytes read +bytes written$/m,
    );
    assert.match(text, /^blk root +pci +14 +2 +1 +1 +1 +16 +513$/m);
    assert.match(text, /^net net0 +mmio +1 +- +-/m);
  });

  void it("turns it into what Perfetto reads", async () => {
    const output = join(folder, "all.json");
    const result = await run(path(), "--to", "perfetto", "--output", output);
    assert.deepEqual(result, { status: 0, out: `${output}: 15 events, 1 requests\n`, err: "" });
    const rows = JSON.parse(await readFile(output, "utf8")) as Row[];
    checkTraceEvents(rows);
    const direct = new PerfettoWriter();
    const pieces = [direct.begin(head), direct.add(everyKind)];
    pieces.push(direct.end({ time: everyKind.at(-1)!.time, events: 15, dropped: 1234, statistics }));
    assert.equal(await readFile(output, "utf8"), Buffer.concat(pieces).toString());
  });

  void it("turns its frames into pcapng, with their true lengths", async () => {
    const output = join(folder, "all.pcapng");
    await run(path(), "--to", "pcapng", "--output", output);
    const file = await readFile(output);
    const [first, second] = [0, file.readUInt32LE(4)];
    const third = second + file.readUInt32LE(second + 4);
    assert.deepEqual(
      [first, second, third].map((at) => file.readUInt32LE(at)),
      [0x0a0d0d0a, 1, 6],
    );
    assert.ok(file.includes("net net0"), "the device's name is the interface's");
    const time = file.readUInt32LE(third + 12) * 2 ** 32 + file.readUInt32LE(third + 16);
    assert.equal(time, Math.round(head.start * 1000 + everyKind.find(({ kind }) => kind === "frame")!.time));
    assert.deepEqual([file.readUInt32LE(third + 20), file.readUInt32LE(third + 24)], [64, 1514]);
    assert.deepEqual(
      file.subarray(third + 28, third + 92),
      Buffer.from(Array.from({ length: 64 }, (_, i) => i + 12)),
    );
  });

  void it("gives what there is of one that is cut short, and fails", async () => {
    const cut = join(folder, "cut.ringside");
    const output = join(folder, "cut.json");
    for (const args of [[cut], [cut, "--to", "perfetto", "--output", output]]) {
      const { status, err } = await run(...args);
      assert.equal(status, 1);
      assert.match(err, /^ringside: This recording is cut short.*first 15 events are whole\.$/m);
    }
    checkTraceEvents(JSON.parse(await readFile(output, "utf8")) as Row[]);
  });

  void it("refuses what makes no sense", async () => {
    const wrong: [string[], RegExp][] = [
      [[], /of which recording/],
      [["a", "b"], /takes one recording/],
      [["a", "--to", "pdf", "--output", "b"], /expected perfetto or pcapng/],
      [["a", "--to", "pcapng"], /--to wants --output/],
      [["a", "--output", "b"], /--output wants --to/],
      [["a", "--to", "pcapng", "--output", "./a"], /is the recording itself/],
      [["a", "--what"], /Unknown option/],
    ];
    for (const [args, why] of wrong) {
      await assert.rejects(trace(args), (error) => error instanceof UsageError && why.test(error.message));
    }
    await assert.rejects(trace([join(folder, "absent")]), /absent cannot be read \(ENOENT/);
    await assert.rejects(trace([join(folder, "all.json")]), /not a recording of Ringside/);
  });
});
