import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import fc from "fast-check";
import { ChunkedDisk, type ChunkedDiskOptions } from "../../src/backends/disk/chunked.ts";
import type { ChunkStore } from "../../src/backends/disk/chunk-store.ts";
import { DiskError } from "../../src/backends/disk/errors.ts";
import { checkAgainstArray, pattern, read, steps, write } from "./disk-model.ts";

const CHUNK = 4096;
const KiB = 1024;
const TIGHT = {
  cache: 8 * CHUNK,
  writeBack: 4 * CHUNK,
  unsaved: 12 * CHUNK,
  batch: 4 * CHUNK,
  readAhead: 4 * CHUNK,
};

/** A store in memory that answers in order, each time in a later task, and fails on request. */
class SlowStore implements ChunkStore {
  readonly chunks: Map<number, Uint8Array>;
  readonly loads: number[][] = [];
  saves = 0;
  fault: DiskError | undefined;
  closed = false;
  /** Save numbers (from 1) are applied, and answered, only up to this one: the moment of a crash. */
  dieAfter = Infinity;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(chunks = new Map<number, Uint8Array>()) {
    this.chunks = chunks;
  }

  load(numbers: readonly number[]): Promise<Uint8Array[]> {
    this.loads.push([...numbers]);
    return this.#later(() =>
      numbers.map((number) => {
        const data = this.chunks.get(number);
        assert.ok(data, `chunk ${number} was never saved`);
        return data.slice();
      }),
    );
  }

  save(chunks: [number: number, data: Uint8Array][], removed: readonly number[]): Promise<void> {
    const mine = ++this.saves;
    const copies = chunks.map(([number, data]) => [number, data.slice()] as const);
    return this.#later(() => {
      if (mine > this.dieAfter) throw new DiskError("io", "dead");
      for (const number of removed) this.chunks.delete(number);
      for (const [number, data] of copies) this.chunks.set(number, data);
    });
  }

  setCapacity(): Promise<void> {
    return this.#later(() => undefined);
  }

  close(): void {
    this.closed = true;
  }

  #later<T>(act: () => T): Promise<T> {
    const result = this.#queue.then(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.fault) throw this.fault;
      return act();
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

const open: ChunkedDisk[] = [];
afterEach(async () => {
  for (const disk of open.splice(0)) await disk.dispose();
});

function diskOn(store: SlowStore, options: Partial<ChunkedDiskOptions> = {}): ChunkedDisk {
  const disk = new ChunkedDisk(store, {
    name: 'The disk "test"',
    capacity: 64 * CHUNK,
    readOnly: false,
    chunkSize: CHUNK,
    stored: new Set(store.chunks.keys()),
    onMessage: () => undefined,
    bounds: TIGHT,
    ...options,
  });
  open.push(disk);
  return disk;
}

/** A store that holds the pattern of `seed` in all chunks of 64. */
function filled(seed: number): SlowStore {
  const all = pattern(64 * CHUNK, seed);
  return new SlowStore(
    new Map(Array.from({ length: 64 }, (_, n) => [n, all.slice(n * CHUNK, (n + 1) * CHUNK)])),
  );
}

describe("chunked disk", () => {
  it("behaves as an array of bytes, across closing and opening, with little memory", async () => {
    const capacity = 64 * CHUNK - 512;
    await fc.assert(
      fc.asyncProperty(steps(capacity, 20 * CHUNK), async (list) => {
        const store = new SlowStore();
        await checkAgainstArray(list, () =>
          Promise.resolve(diskOn(new SlowStore(store.chunks), { capacity })),
        );
      }),
      { numRuns: 100 },
    );
  });

  it("keeps its bounds and its data under parallel requests", async () => {
    const store = filled(1);
    const disk = diskOn(store);
    const model = pattern(64 * CHUNK, 1);
    let most = 0;
    for (let round = 0; round < 30; round++) {
      // Slots of their own, as parallel requests to the same bytes have no order.
      await Promise.all(
        Array.from({ length: 16 }, async (_, slot) => {
          const at = slot * 4 * CHUNK + ((round * 777) % CHUNK);
          const length = 1 + ((round * 3001 + slot * 977) % (3 * CHUNK));
          const bytes = pattern(length, round * 16 + slot);
          if ((round + slot) % 3 === 0) {
            assert.deepEqual(await read(disk, at, length), model.slice(at, at + length));
          } else {
            await write(disk, at, bytes);
            model.set(bytes, at);
          }
          most = Math.max(most, disk.memory.total);
        }),
      );
    }
    // Clean, unsaved, the load under way, and a request's own overshoot.
    const bound = TIGHT.cache + TIGHT.unsaved + TIGHT.batch + TIGHT.readAhead + 4 * CHUNK;
    assert.ok(most <= bound, `${most} bytes in memory, at most ${bound} allowed`);
    assert.deepEqual(await read(disk, 0, 64 * CHUNK), model);
  });

  it("reads and writes more than all its bounds in one request", async () => {
    const disk = diskOn(filled(2));
    assert.deepEqual(await read(disk, 100, 64 * CHUNK - 200), pattern(64 * CHUNK, 2).slice(100, -100));
    await write(disk, 100, pattern(64 * CHUNK - 200, 3));
    await disk.flush();
    assert.deepEqual(await read(disk, 100, 64 * CHUNK - 200), pattern(64 * CHUNK - 200, 3));
  });

  it("keeps its bounds when everything is only written", async () => {
    const disk = diskOn(new SlowStore(), { capacity: 200 * CHUNK });
    let most = 0;
    for (let n = 0; n < 200; n++) {
      await write(disk, n * CHUNK, pattern(CHUNK, n));
      most = Math.max(most, disk.memory.total);
    }
    assert.ok(most <= TIGHT.cache + TIGHT.unsaved, `${most} bytes in memory`);
    await disk.flush();
    assert.ok(disk.memory.total <= TIGHT.cache);
    for (let n = 0; n < 200; n++) assert.deepEqual(await read(disk, n * CHUNK, CHUNK), pattern(CHUNK, n));
  });

  it("loads nothing for what was never written or is wholly overwritten", async () => {
    const store = filled(1);
    for (let n = 32; n < 64; n++) store.chunks.delete(n);
    const disk = diskOn(store);
    assert.equal(disk.prepare(32 * CHUNK, 32 * CHUNK, false), undefined);
    assert.equal(disk.prepare(40 * CHUNK + 1, 5, true), undefined);
    assert.equal(disk.prepare(8 * CHUNK, 2 * CHUNK, true), undefined);
    disk.write(8 * CHUNK, pattern(2 * CHUNK, 7));
    assert.deepEqual(await read(disk, 8 * CHUNK, 2 * CHUNK), pattern(2 * CHUNK, 7));
    assert.deepEqual(store.loads, []);
  });

  it("loads only the ends that a long write leaves bytes of", async () => {
    const store = filled(1);
    const disk = diskOn(store);
    const expected = pattern(64 * CHUNK, 1);
    expected.set(pattern(5 * CHUNK, 9), 10 * CHUNK + 512);
    await write(disk, 10 * CHUNK + 512, pattern(5 * CHUNK, 9));
    assert.deepEqual(store.loads, [[10, 15]]);
    assert.deepEqual(await read(disk, 0, 64 * CHUNK), expected);
  });

  it("shares one load among requests that wait, and reads ahead of a sequential reader", async () => {
    const store = filled(1);
    const disk = diskOn(store);
    await Promise.all([3, 30, 50, 60].map((n) => read(disk, n * CHUNK, 512)));
    assert.deepEqual(store.loads, [[3], [30, 50, 60]]);
    store.loads.length = 0;
    for (let at = 4 * CHUNK; at < 24 * CHUNK; at += 2 * KiB) await read(disk, at, 2 * KiB);
    assert.ok(store.loads.length <= 6, `${store.loads.length} loads for 20 chunks in sequence`);
  });

  it("refuses access to a chunk that is not there rather than inventing bytes", () => {
    const disk = diskOn(filled(1));
    assert.throws(() => disk.read(0, new Uint8Array(512)), { kind: "io", message: /without being prepared/ });
    assert.throws(() => disk.write(0, new Uint8Array(512)), { kind: "io" });
  });

  it("fails a read when the load fails, and reads again when it works", async () => {
    const store = filled(1);
    const disk = diskOn(store);
    store.fault = new DiskError("io", "broken");
    await assert.rejects(read(disk, 0, 512), { kind: "io", message: "broken" });
    store.fault = undefined;
    assert.deepEqual(await read(disk, 0, 512), pattern(64 * CHUNK, 1).slice(0, 512));
  });
});

describe("flush of a chunked disk", () => {
  it("is nothing when nothing is dirty, and waits for a save under way", async () => {
    const store = new SlowStore();
    const disk = diskOn(store);
    assert.equal(disk.flush(), undefined);
    await write(disk, 0, pattern(512, 1));
    const first = disk.flush();
    assert.ok(first);
    assert.equal(disk.flush(), first);
    await first;
    assert.equal(disk.flush(), undefined);
    assert.equal(store.saves, 1);
  });

  it("takes the data as of the call, and what comes later into the next one", async () => {
    const store = new SlowStore();
    const disk = diskOn(store);
    await write(disk, 0, pattern(512, 1));
    const first = disk.flush();
    await write(disk, 0, pattern(512, 2));
    const second = disk.flush();
    const third = disk.flush();
    await first;
    assert.deepEqual(store.chunks.get(0)?.subarray(0, 512), pattern(512, 1));
    await second;
    assert.deepEqual(store.chunks.get(0)?.subarray(0, 512), pattern(512, 2));
    await third;
    assert.equal(store.saves, 2, "flushes that wait together share a save");
  });

  it("leaves the disk of one moment, not before the last flush, wherever the store dies", async () => {
    const action = fc.record({
      chunk: fc.nat(15),
      drop: fc.oneof(
        { weight: 3, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
      flush: fc.boolean(),
      wait: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 5, maxLength: 60 }),
        fc.nat(12),
        async (actions, dieAfter) => {
          const store = new SlowStore();
          store.dieAfter = dieAfter;
          const disk = diskOn(store);
          let flushed = 0;
          for (const [index, { chunk, drop, flush, wait }] of actions.entries()) {
            const stamp = new Uint8Array(8);
            new DataView(stamp.buffer).setUint32(0, index + 1);
            try {
              if (drop) disk.unmap.range(chunk * CHUNK, CHUNK);
              else await write(disk, chunk * CHUNK, stamp);
              const flushing = flush ? disk.flush() : undefined;
              const noted = flushing?.then(
                () => (flushed = Math.max(flushed, index + 1)),
                () => undefined,
              );
              if (wait) await noted;
            } catch {
              break; // back-pressure on a dead store
            }
          }
          await new Promise((resolve) => setTimeout(resolve, 5));
          const stampOf = (chunk: number): number => {
            const data = store.chunks.get(chunk);
            return data ? new DataView(data.buffer, data.byteOffset).getUint32(0) : 0;
          };
          const held = Array.from({ length: 16 }, (_, chunk) => stampOf(chunk));
          const state = new Array<number>(16).fill(0);
          let last = held.every((stamp) => stamp === 0) ? 0 : -1;
          for (const [index, { chunk, drop }] of actions.entries()) {
            state[chunk] = drop ? 0 : index + 1;
            if (held.every((stamp, at) => stamp === state[at])) last = index + 1;
          }
          assert.ok(last >= flushed, `${flushed} was flushed; ${held.join()} is as of moment ${last}`);
          for (let chunk = 0; chunk < 16; chunk++) {
            // What was removed must not come back: nothing is stored of it.
            if (last === actions.length && held[chunk] === 0) assert.equal(store.chunks.has(chunk), false);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("rejects when the store is full, keeps the data, says so once, and saves it when there is room", async () => {
    const store = new SlowStore();
    const messages: string[] = [];
    const disk = diskOn(store, { onMessage: (level, text) => messages.push(`${level}: ${text}`) });
    await write(disk, 0, pattern(512, 1));
    await disk.flush();
    store.fault = new DiskError("full", "No storage is left.");
    await write(disk, 0, pattern(512, 2));
    await assert.rejects(Promise.resolve(disk.flush()), { kind: "full" });
    await assert.rejects(Promise.resolve(disk.flush()), { kind: "full" });
    assert.deepEqual(store.chunks.get(0)?.subarray(0, 512), pattern(512, 1));
    assert.deepEqual(await read(disk, 0, 512), pattern(512, 2));
    assert.equal(messages.length, 1);
    assert.match(messages[0]!, /^error: No storage is left\. .*Make room.* run sync in the guest/);
    store.fault = undefined;
    await disk.flush();
    assert.deepEqual(store.chunks.get(0)?.subarray(0, 512), pattern(512, 2));
    assert.deepEqual(messages.slice(1), ['info: The disk "test" is saved again.']);
  });

  it("makes room in a full store where it can, and saves what was written meanwhile, too", async () => {
    const store = new SlowStore();
    const messages: string[] = [];
    let rooms = 1;
    const disk = diskOn(store, {
      onMessage: (level, text) => messages.push(`${level}: ${text}`),
      makeRoom: async () => {
        if (rooms-- <= 0) return false;
        await write(disk, CHUNK, pattern(512, 3));
        store.fault = undefined;
        return true;
      },
    });
    store.fault = new DiskError("full", "No storage is left.");
    await write(disk, 0, pattern(512, 2));
    await disk.flush();
    assert.deepEqual(store.chunks.get(0)?.subarray(0, 512), pattern(512, 2));
    assert.deepEqual(store.chunks.get(1)?.subarray(0, 512), pattern(512, 3));
    assert.deepEqual(messages, []);
    store.fault = new DiskError("full", "No storage is left.");
    await write(disk, 0, pattern(512, 4));
    await assert.rejects(Promise.resolve(disk.flush()), { kind: "full" });
    assert.equal(disk.memory.unsaved, CHUNK);
    store.fault = undefined;
    await disk.flush();
    assert.deepEqual(store.chunks.get(0)?.subarray(0, 512), pattern(512, 4));
    assert.equal(disk.memory.unsaved, 0);
  });

  it("makes writers wait while too much is unsaved, and fails them when it cannot be saved", async () => {
    const store = new SlowStore();
    const disk = diskOn(store);
    for (let n = 0; n < 12; n++) {
      assert.equal(disk.prepare(n * CHUNK, CHUNK, true), undefined);
      disk.write(n * CHUNK, pattern(CHUNK, n));
    }
    const waiting = disk.prepare(12 * CHUNK, CHUNK, true);
    assert.ok(waiting);
    await waiting;
    assert.equal(disk.prepare(12 * CHUNK, CHUNK, true), undefined);
    store.fault = new DiskError("full", "No storage is left.");
    const writing = async (): Promise<void> => {
      for (let n = 0; n < 40; n++) await write(disk, n * CHUNK, pattern(CHUNK, n));
    };
    await assert.rejects(writing(), { kind: "full" });
    assert.ok(disk.memory.unsaved <= TIGHT.unsaved);
    const saves = store.saves;
    await assert.rejects(write(disk, 60 * CHUNK, pattern(CHUNK, 1)), { kind: "full" });
    assert.equal(store.saves, saves, "refused without another try");
    store.fault = undefined;
    await disk.flush();
    await writing();
  });

  it("saves by itself after a while, and soon when much is dirty", async () => {
    const store = new SlowStore();
    const disk = diskOn(store);
    await write(disk, 0, pattern(512, 1));
    assert.equal(store.saves, 0);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.equal(store.saves, 1);
    for (let n = 0; n < 5; n++) await write(disk, n * CHUNK, pattern(CHUNK, n));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(store.saves, 2);
    assert.equal(disk.memory.unsaved, 0);
  });
});

describe("giving back what a chunked disk holds", () => {
  it("reads as zeros at once, loads nothing, and removes it from the store at the next flush", async () => {
    const store = filled(1);
    const disk = diskOn(store);
    disk.unmap.range(8 * CHUNK, 16 * CHUNK);
    assert.equal(disk.prepare(8 * CHUNK, 16 * CHUNK, false), undefined);
    assert.deepEqual(await read(disk, 8 * CHUNK, 16 * CHUNK), new Uint8Array(16 * CHUNK));
    assert.equal(disk.prepare(8 * CHUNK + 1, 5, true), undefined, "nothing to keep of it");
    assert.deepEqual(store.loads, []);
    assert.equal(store.chunks.size, 64, "not before the flush");
    await disk.flush();
    assert.equal(store.saves, 1);
    assert.equal(store.chunks.size, 48);
    assert.equal(disk.flush(), undefined);
    assert.deepEqual(await read(disk, 7 * CHUNK, CHUNK), pattern(64 * CHUNK, 1).slice(7 * CHUNK, 8 * CHUNK));
    assert.deepEqual(
      await read(disk, 24 * CHUNK, 512),
      pattern(64 * CHUNK, 1)
        .slice(24 * CHUNK)
        .slice(0, 512),
    );
  });

  it("lets go of unsaved data, which is then never saved", async () => {
    const store = new SlowStore();
    const disk = diskOn(store);
    await write(disk, 0, pattern(8 * CHUNK, 1));
    assert.equal(disk.memory.unsaved, 8 * CHUNK);
    disk.unmap.range(0, 6 * CHUNK);
    assert.deepEqual(disk.memory, { total: 2 * CHUNK, unsaved: 2 * CHUNK });
    await disk.flush();
    assert.deepEqual([...store.chunks.keys()], [6, 7]);
    assert.equal(disk.memory.unsaved, 0);
  });

  for (const again of [false, true]) {
    it(`wins over a save, a load and a failure that are under way${again ? ", and new data over it" : ""}`, async () => {
      for (const fault of [undefined, new DiskError("full", "No storage is left.")]) {
        const store = filled(1);
        const disk = diskOn(store);
        await write(disk, 0, pattern(CHUNK, 2));
        const saving = disk.flush();
        const loading = read(disk, CHUNK, 512);
        store.fault = fault;
        disk.unmap.range(0, 2 * CHUNK);
        if (again) await write(disk, 100, pattern(50, 3));
        const expected = new Uint8Array(2 * CHUNK);
        if (again) expected.set(pattern(50, 3), 100);
        await Promise.allSettled([saving, loading]);
        assert.deepEqual(await read(disk, 0, 2 * CHUNK), expected);
        assert.equal(disk.memory.unsaved, again ? CHUNK : 0);
        store.fault = undefined;
        await disk.flush();
        assert.equal(disk.memory.unsaved, 0);
        assert.deepEqual(await read(disk, 0, 2 * CHUNK), expected);
        assert.deepEqual(store.chunks.get(0), again ? expected.slice(0, CHUNK) : undefined);
        assert.equal(store.chunks.has(1), false);
        await disk.dispose();
        assert.deepEqual(await read(diskOn(new SlowStore(store.chunks)), 0, 2 * CHUNK), expected);
      }
    });
  }

  it("is tried again after a save that failed, and happens without a flush some time", async () => {
    const store = filled(1);
    const disk = diskOn(store);
    store.fault = new DiskError("full", "No storage is left.");
    disk.unmap.range(0, 4 * CHUNK);
    await assert.rejects(Promise.resolve(disk.flush()), { kind: "full" });
    store.fault = undefined;
    await disk.flush();
    assert.equal(store.chunks.size, 60);
    disk.unmap.range(4 * CHUNK, 4 * CHUNK);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.equal(store.chunks.size, 56);
  });

  it("is refused when the disk is read-only, or gone", async () => {
    const readOnly = diskOn(filled(1), { readOnly: true });
    assert.throws(() => readOnly.unmap.range(0, CHUNK), { kind: "invalid" });
    const disk = diskOn(filled(1));
    await disk.dispose();
    assert.throws(() => disk.unmap.range(0, CHUNK), { kind: "gone" });
  });
});

describe("end of a chunked disk", () => {
  it("saves on dispose and answers nothing afterwards", async () => {
    const store = new SlowStore();
    const disk = diskOn(store);
    await write(disk, 0, pattern(512, 1));
    await Promise.all([disk.dispose(), disk.dispose()]);
    assert.ok(store.closed);
    assert.deepEqual(store.chunks.get(0)?.subarray(0, 512), pattern(512, 1));
    assert.throws(() => disk.read(0, new Uint8Array(512)), { kind: "gone" });
    assert.throws(() => disk.write(0, new Uint8Array(512)), { kind: "gone" });
    await assert.rejects(Promise.resolve(disk.flush()), { kind: "gone" });
  });

  it("says what was lost when dispose cannot save", async () => {
    const store = new SlowStore();
    const messages: string[] = [];
    const disk = diskOn(store, { onMessage: (level, text) => messages.push(`${level}: ${text}`) });
    await write(disk, 0, pattern(512, 1));
    store.fault = new DiskError("full", "No storage is left.");
    await disk.dispose();
    assert.match(
      messages.at(-1)!,
      /^error: .*closed with 4 KiB that could not be saved: No storage is left\.$/,
    );
    assert.ok(store.closed);
  });

  it("fails everything, waiting or to come, when the store is lost", async () => {
    const store = filled(1);
    const messages: string[] = [];
    const disk = diskOn(store, { onMessage: (_, text) => messages.push(text) });
    await write(disk, 0, pattern(512, 1));
    const waiting = read(disk, 9 * CHUNK, 512);
    const gone = new DiskError("gone", "It was deleted.");
    disk.fail(gone);
    await assert.rejects(waiting, gone);
    await assert.rejects(read(disk, 0, 512), gone);
    await assert.rejects(Promise.resolve(disk.flush()), gone);
    assert.equal(disk.memory.total, 0);
    assert.deepEqual(messages, ["It was deleted."]);
    await disk.dispose();
  });

  it("grows when asked, and never shrinks", async () => {
    const disk = diskOn(filled(1), { capacity: 10 * CHUNK });
    let told = 0;
    disk.onResize(() => told++);
    await disk.resize(12 * CHUNK);
    assert.equal(disk.capacity, 12 * CHUNK);
    assert.equal(told, 1);
    await assert.rejects(disk.resize(CHUNK), /has 48 KiB and cannot shrink to 4 KiB/);
  });
});
