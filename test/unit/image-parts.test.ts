import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { AwakeClock } from "../../src/backends/disk/image/awake-clock.ts";
import { PartMemory } from "../../src/backends/disk/image/part-memory.ts";
import { ReadAhead } from "../../src/backends/disk/image/read-ahead.ts";

describe("The clock of an image", () => {
  it("counts while somebody waits, and not while the computer sleeps", () => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1e12 });
    try {
      let [ticks, woke] = [0, 0];
      const clock = new AwakeClock(500, { onTick: () => ticks++, onWake: () => woke++ });
      mock.timers.tick(60_000);
      assert.deepEqual([clock.now, ticks, woke], [0, 0, 0]);
      clock.start();
      for (let n = 0; n < 20; n++) mock.timers.tick(500);
      assert.deepEqual([clock.now, ticks, woke], [10_000, 20, 0]);
      // Asleep: time goes by, and no timer runs.
      mock.timers.setTime(Date.now() + 3_600_000 - 500);
      mock.timers.tick(500);
      assert.ok(clock.now > 10_000 && clock.now <= 12_500, `${clock.now} ms`);
      assert.equal(woke, 1);
      // A clock that is set back takes no time away.
      const before = clock.now;
      mock.timers.setTime(Date.now() - 7_200_000);
      assert.ok(clock.now >= before);
      clock.stop();
      const stopped = clock.now;
      mock.timers.tick(60_000);
      assert.equal(clock.now, stopped);
    } finally {
      mock.timers.reset();
    }
  });
});

describe("Read-ahead", () => {
  /** What was proposed for accesses to single chunks. */
  const propose = (chunks: readonly number[], most = 16): number[][] => {
    const readAhead = new ReadAhead(most);
    return chunks.map((chunk) => readAhead.note(chunk, chunk));
  };

  it("doubles its window with each access that it foresaw, up to its bound", () => {
    const windows = propose([10, 11, 12, 13, 14, 15, 16, 17]).map(({ length }) => length);
    assert.deepEqual(windows, [0, 1, 2, 4, 8, 16, 16, 16]);
    assert.deepEqual(propose([10, 11, 12]).at(-1), [13, 14]);
  });

  it("follows a stride, forwards and backwards, when it was seen twice", () => {
    assert.deepEqual(propose([100, 107, 114, 121]), [[], [], [121], [128, 135]]);
    assert.deepEqual(propose([100, 97, 94, 91]), [[], [], [91], [88, 85]]);
  });

  it("follows several streams in turn", () => {
    const mixed = [0, 1000, 2000, 1, 1001, 2001, 2, 1002, 2002, 3, 1003, 2003];
    const proposals = propose(mixed);
    assert.deepEqual(
      proposals.slice(-3).map(({ length }) => length),
      [4, 4, 4],
    );
    assert.deepEqual(proposals.at(-3), [4, 5, 6, 7]);
  });

  it("takes accesses in any order that are under way together, and the same chunk again and again", () => {
    const proposals = propose([0, 1, 2, 4, 3, 5, 5, 5, 6]);
    assert.deepEqual(proposals.at(4), []);
    assert.deepEqual(proposals.at(6), []);
    assert.equal(proposals.at(-1)!.length, 16);
  });

  it("follows accesses to several chunks each", () => {
    const readAhead = new ReadAhead(16);
    assert.deepEqual(readAhead.note(0, 3), []);
    assert.deepEqual(readAhead.note(4, 7), [8, 9, 10, 11]);
    assert.deepEqual(readAhead.note(7, 10).length > 0, true); // begins in the chunk where the last one ended
    const strided = new ReadAhead(16);
    for (const first of [0, 10]) strided.note(first, first + 1);
    assert.deepEqual(strided.note(20, 21), [30, 31]);
  });

  it("proposes nothing for random access", () => {
    let [state, proposed] = [1, 0];
    const readAhead = new ReadAhead(16);
    for (let n = 0; n < 10_000; n++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      proposed += readAhead.note(state >>> 15, state >>> 15).length;
    }
    assert.ok(proposed < 100, `${proposed} chunks in 10000 accesses`);
  });
});

describe("The memory of an image", () => {
  it("keeps what was used last, within its bound", () => {
    const memory = new PartMemory(3000);
    for (const name of ["a", "b", "c"]) memory.add(name, new Uint8Array(1000), name === "b");
    memory.get("a");
    memory.add("d", new Uint8Array(1000), false);
    assert.deepEqual(
      ["a", "b", "c", "d"].map((name) => memory.has(name)),
      [true, false, true, true],
    );
    assert.equal(memory.firstUse("b"), false);
    memory.add("e", new Uint8Array(3001), false);
    assert.equal(memory.has("e"), false);
    assert.equal(memory.has("d"), true);
    memory.add("f", new Uint8Array(3000), true);
    assert.deepEqual(
      ["a", "d", "f"].map((name) => memory.has(name)),
      [false, false, true],
    );
    assert.equal(memory.firstUse("f"), true);
    assert.equal(memory.firstUse("f"), false);
  });
});
