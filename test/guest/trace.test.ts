import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { PerfettoWriter } from "../../src/inspect/file/perfetto.ts";
import { RecordingReader } from "../../src/inspect/file/recording-reader.ts";
import type { TraceEvent } from "../../src/inspect/types.ts";
import { checkTraceEvents, type Row } from "../unit/trace-event-format.ts";
import { boot, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();

describe("a recording of a run", () => {
  it("has the boot and a command, whole, with what the command cost", async () => {
    const path = join(folder, "run.ringside");
    await using guest = await boot("memory=128M&device=blk,id=data,store=memory,size=8M,transport=mmio", {
      record: { path },
    });
    const { machine, messages } = guest;
    const command = "dd if=/dev/vda of=/dev/null bs=64k count=16";
    const { status, milliseconds, instructions, devices } = await machine.account(command);
    await machine.powerOff();
    const recorded = await machine.endRecording();

    const disk = devices.find(({ name }) => name === "blk data")!;
    assert.equal(status, 0);
    assert.ok(disk.bytesWritten >= 1 << 20, `the disk wrote ${disk.bytesWritten} bytes`);
    assert.ok(disk.requests > 0 && disk.kicks > 0 && disk.interrupts > 0, JSON.stringify(disk));
    assert.ok(milliseconds > 0 && instructions > 1000, `${milliseconds} ms, ${instructions} instructions`);

    const reader = await RecordingReader.open([await readFile(path)]);
    const writer = new PerfettoWriter();
    const pieces = [writer.begin(reader.head)];
    const events: TraceEvent[] = [];
    for await (const some of reader.events()) {
      events.push(...some);
      pieces.push(writer.add(some));
    }
    assert.equal(reader.cut, undefined);
    assert.deepEqual([recorded?.dropped, recorded?.events, messages], [0, events.length, []]);
    const counted = reader.end!.statistics.devices.find(({ name }) => name === "blk data")!;
    const ofDisk = events.filter(({ device }) => device === "blk data");
    const chains = ofDisk.filter(({ kind }) => kind === "chain");
    assert.equal(
      chains.length,
      counted.queues.reduce((sum, { requests }) => sum + requests, 0),
    );
    assert.equal(ofDisk.filter(({ kind }) => kind === "kick").length, counted.kicks);

    pieces.push(writer.end(reader.end!));
    const rows = JSON.parse(Buffer.concat(pieces).toString()) as Row[];
    checkTraceEvents(rows);
    const reads = rows.filter(
      ({ ph, name, args }) => ph === "b" && name === "read" && args!.sector !== undefined,
    );
    assert.ok(reads.length >= disk.requests, `${reads.length} slices of reads`);
  });
});
