import assert from "node:assert/strict";

/** A row of Chrome's Trace Event Format. */
export interface Row {
  ph: string;
  name?: string;
  cat?: string;
  id?: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  bp?: string;
  args?: Record<string, unknown>;
}

/**
 * What the format and its readers demand. They sort rows by time, those of the same time staying in the file's order, and hang an
 * arrow's end on the slice that is then the newest of its thread.
 */
export function checkTraceEvents(rows: readonly Row[]): void {
  const named = { process_name: new Set<number>(), thread_name: new Map<number, number>() };
  for (const row of rows.filter(({ ph }) => ph === "M")) {
    if (row.name === "process_name") named.process_name.add(row.pid);
    if (row.name === "thread_name") {
      assert.ok(!named.thread_name.has(row.tid), `thread ${row.tid} has two names`);
      named.thread_name.set(row.tid, row.pid);
    }
  }
  const open = new Map<string, number>();
  const arrows = new Map<string, string>();
  const newest = new Map<number, Row>();
  for (const row of rows.filter(({ ph }) => ph !== "M").toSorted((one, other) => one.ts - other.ts)) {
    const shown = JSON.stringify(row);
    assert.ok("XiCbestf".includes(row.ph) && row.ph.length === 1, `no known phase: ${shown}`);
    assert.ok(Number.isFinite(row.ts) && row.ts >= 0, `no time: ${shown}`);
    assert.ok(row.name !== undefined && row.cat !== undefined, `no name or category: ${shown}`);
    assert.ok(named.process_name.has(row.pid), `its process has no name: ${shown}`);
    assert.equal(named.thread_name.get(row.tid), row.pid, `its thread has no name: ${shown}`);
    const slice = `${row.cat} ${row.id} ${row.name}`;
    switch (row.ph) {
      case "X":
        assert.equal(row.dur, 0, shown);
        newest.set(row.tid, row);
        break;
      case "i":
        newest.set(row.tid, row);
        break;
      case "C":
        assert.ok(
          Object.values(row.args!).every((value) => Number(value) >= 0),
          shown,
        );
        break;
      case "b":
        assert.ok(row.id !== undefined && !open.has(slice), `begins twice: ${shown}`);
        open.set(slice, row.ts);
        break;
      case "e":
        assert.ok(open.delete(slice), `ends without a beginning: ${shown}`);
        break;
      default: {
        const before = arrows.get(slice);
        assert.equal(
          before,
          row.ph === "s" ? undefined : before === "s" ? "s" : "t",
          `out of order: ${shown}`,
        );
        arrows.set(slice, row.ph);
        const hook = newest.get(row.tid);
        assert.ok(hook?.ph === "X" && hook.ts === row.ts, `hangs on nothing: ${shown}`);
        assert.equal(row.bp, row.ph === "f" ? "e" : undefined, shown);
      }
    }
  }
  assert.deepEqual([...open.keys()], [], "every slice ends");
}
