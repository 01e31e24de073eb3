import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { PerfettoWriter } from "../../src/inspect/file/perfetto.ts";
import { RecordingReader } from "../../src/inspect/file/recording-reader.ts";
import type { TraceEvent } from "../../src/inspect/types.ts";
import { checkTraceEvents, type Row } from "../unit/trace-event-format.ts";
import type { VirtioEvent } from "../../src/node/index.ts";
import { boot, type Guest, temporaryFolder, within } from "./support.ts";

const folder = temporaryFolder();

describe("a machine that a program looks into", () => {
  const path = join(folder, "run.ringside");
  let guest: Guest;
  before(async () => {
    guest = await boot("memory=128M&device=blk,id=data,store=memory,size=8M,transport=mmio", {
      record: { path },
    });
  });
  after(() => guest[Symbol.asyncDispose]());

  it("stops at a chain, shows the rings and the bytes there, and goes on after a step", async () => {
    const { machine } = guest;
    const stop = (): Promise<VirtioEvent | undefined> =>
      within(new Promise((resolve) => (machine.debugger.onStop = resolve)), "a stop");
    machine.debugger.breakOn(({ type, device }) => type === "chain" && device === "blk data");
    let stopped = stop();
    const read = machine.run("dd if=/dev/vda of=/dev/null bs=512 count=1 iflag=direct");
    const event = await stopped;
    assert.ok(event?.type === "chain", JSON.stringify(event?.type));
    assert.equal(machine.state.name, "paused");

    const device = machine.inspect().find(({ name }) => name === "blk data")!;
    assert.equal(device.queues[event.queue]!.inFlight, 1);
    const queue = machine.inspectQueue("blk data", event.queue)!;
    const chain = queue.chains.find(({ head }) => head === event.head)!;
    assert.equal(chain.state, "in flight");
    const header = chain.buffers[0]!;
    const type = new DataView(machine.readMemory(header.address, header.length).buffer).getUint32(0, true);
    assert.equal(type, 0, "VIRTIO_BLK_T_IN");

    machine.debugger.breakOn(undefined);
    stopped = stop();
    machine.debugger.step((next) => next.type === "used" && next.device === "blk data");
    assert.equal((await stopped)?.type, "used");
    machine.debugger.onStop = undefined;
    machine.resume();
    assert.equal((await read).status, 0);
  });

  it("its recording has the boot and a command, whole, with what the command cost", async () => {
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
