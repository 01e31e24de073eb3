import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PerfettoWriter } from "../../src/inspect/file/perfetto.ts";
import type { TraceDetail, TraceEvent } from "../../src/inspect/types.ts";
import { everyKind, head, statistics } from "./inspect-file-support.ts";
import { checkTraceEvents, type Row } from "./trace-event-format.ts";

function perfetto(events: readonly TraceEvent[], piece = 4): Row[] {
  const writer = new PerfettoWriter();
  const decoder = new TextDecoder();
  let text = decoder.decode(writer.begin(head));
  for (let from = 0; from < events.length; from += piece) {
    text += decoder.decode(writer.add(events.slice(from, from + piece)));
  }
  const time = events.at(-1)?.time ?? 0;
  text += decoder.decode(writer.end({ time, events: events.length, dropped: 2, statistics }));
  const rows = JSON.parse(text) as Row[];
  checkTraceEvents(rows);
  return rows;
}

/** Events of the disk, a microsecond apart. */
function story(...steps: [TraceDetail, number?, number?][]): TraceEvent[] {
  return steps.map(([detail, first, last = first], seq) => ({
    seq,
    time: seq + 1,
    device: "blk root",
    ...(first !== undefined && { requests: { first, last: last! } }),
    ...detail,
  }));
}

const kick: TraceDetail = { kind: "kick", queue: 0 };
const taken = (head: number, sample = new Uint8Array()): TraceDetail => ({
  kind: "chain",
  queue: 0,
  head,
  readable: 16,
  writable: 1,
  buffers: [],
  sample,
});
const used = (head: number): TraceDetail => ({
  kind: "used",
  queue: 0,
  head,
  written: 1,
  sample: new Uint8Array(),
});
const interrupt = (suppressed: boolean): TraceDetail => ({
  kind: "interrupt",
  cause: "queue",
  queue: 0,
  suppressed,
});

/** Name, beginning and end of each slice, and what it has as arguments. */
function slices(
  rows: readonly Row[],
): { name: string; from: number; to: number; args: Record<string, unknown> }[] {
  return rows
    .filter(({ ph }) => ph === "b")
    .map(({ name, id, ts, args }) => {
      const end = rows.find((row) => row.ph === "e" && row.id === id && row.name === name)!;
      return { name: name!, from: ts, to: end.ts, args: { ...args, ...end.args } };
    });
}

void describe("a trace for Perfetto", () => {
  void it("has a process for each device, and a thread for the driver's side and each queue", () => {
    const rows = perfetto(everyKind);
    const named = (what: string): unknown[] =>
      rows.filter(({ name }) => name === what).map(({ args }) => args!.name);
    assert.deepEqual(named("process_name"), ["Ringside", "blk root", "net net0"]);
    assert.deepEqual(named("thread_name"), ["trace", "driver", "queue 0 requestq", "driver", "wire"]);
    const instants = rows.filter(({ ph }) => ph === "i").map(({ name }) => name);
    assert.deepEqual(instants, [
      "write common.device_status",
      "status 0xf",
      "features",
      "features refused",
      "queue 0 enabled",
      "interrupt acknowledged",
      "frame out",
      "violation of 2.6.1",
      "reset",
    ]);
  });

  void it("shows a request from its kick to its interrupt, with what it asks for", () => {
    const [request, inDevice, ...more] = slices(perfetto(everyKind));
    const at = (kind: string): number => everyKind.find((event) => event.kind === kind)!.time;
    assert.deepEqual(request, {
      name: "read",
      from: at("kick"),
      to: at("interrupt"),
      args: {
        request: 1,
        queue: 0,
        head: 7,
        readable: 16,
        writable: 513,
        sector: 0x1234,
        buffers: ["0x1000 read 16", "0xfffff000 write 512", "0x3000 write 1"],
        written: 513,
      },
    });
    assert.deepEqual(inDevice, {
      name: "read, in the device",
      from: at("chain"),
      to: at("used"),
      args: { head: 7, written: 513 },
    });
    assert.deepEqual(more, []);
  });

  void it("draws an arrow from the kick over the ring to the interrupt", () => {
    const rows = perfetto(
      story([kick, 1, 2], [taken(1), 1], [taken(2), 2], [used(2), 2], [used(1), 1], [interrupt(false), 1, 2]),
    );
    const arrows = rows.filter(({ ph }) => "stf".includes(ph)).map(({ ph, id, ts }) => `${id} ${ph} ${ts}`);
    assert.deepEqual(arrows.toSorted(), [
      ...["0x1 f 6", "0x1 s 1", "0x1 t 2", "0x1 t 5"],
      ...["0x2 f 6", "0x2 s 1", "0x2 t 3", "0x2 t 4"],
    ]);
    const depth = rows.filter(({ ph }) => ph === "C").map(({ args }) => args!.requests);
    assert.deepEqual(depth, [1, 2, 1, 0]);
  });

  void it("begins without a kick where none was needed, and ends where it was given back without an interrupt", () => {
    const rows = perfetto(
      story([kick, 1], [taken(1), 1], [taken(2), 2], [used(1), 1], [interrupt(true), 1], [used(2), 2]),
    );
    const outer = slices(rows).filter(({ name }) => name === "requestq");
    assert.deepEqual(
      outer.map(({ from, to }) => [from, to]),
      [
        [1, 4],
        [3, 6],
      ],
    );
  });

  void it("ends what never ended: a reset, a queue that is disabled, a head that comes twice, the end of the trace", () => {
    const off: TraceDetail = { kind: "queue", queue: 0, size: 8, enabled: false };
    const rows = perfetto(
      story(
        [taken(1)],
        [{ kind: "reset" }],
        [taken(1)],
        [off],
        [taken(1)],
        [taken(1)],
        [used(9)],
        [taken(2)],
      ),
    );
    const ends = slices(rows)
      .filter(({ name }) => name === "requestq")
      .map(({ from, to, args }) => [from, to, args.unfinished]);
    assert.deepEqual(ends, [
      [1, 2, "the device was reset"],
      [3, 4, "the queue was disabled"],
      [5, 6, "its end is not in the trace"],
      [6, 8, "the trace ends"],
      [8, 8, "the trace ends"],
    ]);
  });

  void it("names a device and a queue that the trace does not describe by what the events say", () => {
    const rows = perfetto(
      story([kick], [{ ...taken(1), queue: 70_000 } as TraceDetail]).map((event) => ({
        ...event,
        device: "rng",
      })),
    );
    const names = rows.filter(({ ph }) => ph === "M").map(({ args }) => args!.name);
    assert.ok(names.includes("rng") && names.includes("queue 70000"), names.join());
  });
});
