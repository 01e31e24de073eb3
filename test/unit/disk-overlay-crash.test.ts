/** Overlay files when the power goes: a file layer that records what it is told, and shows every file that a crash may leave. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DiskError } from "../../src/backends/disk/errors.ts";
import { OverlayFile } from "../../src/backends/disk/overlay-file/store.ts";
import { MemoryIo, type Recorded, Random, afterCrash } from "./disk-crash-io.ts";
import { pattern as randomBytes } from "./disk-model.ts";

const CHUNK = 8192;
const CHUNKS = 48;
const BASE = { label: 'The image "test"', identity: "sha256-abc", size: CHUNKS * CHUNK };
const OPTIONS = {
  label: "The disk file test",
  explain: (cause: unknown): DiskError =>
    cause instanceof DiskError ? cause : new DiskError("io", String(cause)),
  shortJournal: 3 * CHUNK,
};

/** A chunk of a seed's bytes, made quickly. */
function filled(seed: number): Uint8Array {
  return new Uint8Array(new Uint32Array(CHUNK / 4).fill(seed + 1).buffer);
}

/** What the disk holds: the seed of each chunk's bytes, or that it is a hole; and its size. */
interface State {
  capacity: number;
  chunks: Map<number, number | "hole">;
}

/** The disk after each commit, and when in the recording it was begun and durable. */
interface Session {
  log: readonly Recorded[];
  states: { state: State; begun: number; durable: number }[];
}

/** Opens `io`, commits at random, and closes. */
async function session(
  io: MemoryIo,
  random: Random,
  commits: number,
  before: State,
  options = OPTIONS,
): Promise<Session> {
  const file = await OverlayFile.open(io, options);
  const states: Session["states"] = [{ state: before, begun: 0, durable: io.log.length }];
  let state = before;
  for (let round = 0; round < commits; round++) {
    const next: State = { capacity: state.capacity, chunks: new Map(state.chunks) };
    const begun = io.log.length;
    if (random.below(12) === 0) {
      next.capacity += CHUNK;
      await file.setCapacity(next.capacity);
    } else {
      await change(file, next, random);
    }
    states.push({ state: next, begun, durable: io.log.length });
    state = next;
  }
  await file.close();
  return { log: io.log, states };
}

/** Saves some chunks and removes others; now and then so many that the commit has several parts. */
async function change(file: OverlayFile, next: State, random: Random): Promise<void> {
  const chunks: [number, Uint8Array][] = [];
  const removed: number[] = [];
  const holes: number[] = [];
  const touched = random.below(20) === 0 ? CHUNKS : random.below(6);
  for (let count = 0; count <= touched; count++) {
    const number = random.below(CHUNKS);
    if ([...removed, ...holes].includes(number) || chunks.some(([other]) => other === number)) continue;
    const kind = random.below(5);
    if (kind === 0) {
      removed.push(number);
      next.chunks.delete(number);
    } else if (kind === 1) {
      holes.push(number);
      next.chunks.set(number, "hole");
    } else {
      const seed = random.below(2 ** 30);
      chunks.push([number, filled(seed)]);
      next.chunks.set(number, seed);
    }
  }
  const saving = file.save(chunks, removed, holes);
  for (const [, data] of chunks) data.fill(0xee); // the bytes are taken at the call
  await saving;
}

/** The number of the state that the file holds, which must be one from `least` to `most`. */
async function stateOf(
  file: OverlayFile,
  states: Session["states"],
  least: number,
  most: number,
): Promise<number> {
  const { chunks, holes } = file.contents();
  const numbers = [...chunks];
  const loaded = await file.load(numbers);
  const bytes = new Map(numbers.map((number, index) => [number, loaded[index]!]));
  for (let index = most; index >= least; index--) {
    const { capacity, chunks: expected } = states[index]!.state;
    const same =
      file.capacity === capacity &&
      chunks.size + holes.size === expected.size &&
      [...expected].every(([number, seed]) =>
        seed === "hole" ? holes.has(number) : isPattern(bytes.get(number), seed),
      );
    if (same) return index;
  }
  return assert.fail(`the file holds none of the states ${least} to ${most}`);
}

function isPattern(bytes: Uint8Array | DiskError | undefined, seed: number): boolean {
  return bytes instanceof Uint8Array && Buffer.compare(bytes, filled(seed)) === 0;
}

function range({ states }: Session, at: number): { least: number; most: number } {
  return {
    least: Math.max(
      0,
      states.findLastIndex(({ durable }) => durable <= at),
    ), // while it is opened it holds what it held
    most: states.findLastIndex(({ begun }) => begun <= at),
  };
}

async function fresh(): Promise<{ bytes: Uint8Array; state: State }> {
  const io = new MemoryIo();
  await OverlayFile.create(io, BASE, CHUNKS * CHUNK, CHUNK);
  return { bytes: io.bytes, state: { capacity: CHUNKS * CHUNK, chunks: new Map() } };
}

/** Crashes at every boundary of a session, `ways` times each, and has every other survivor go on, and crash again. */
async function crashEverywhere(
  seed: number,
  commits: number,
  ways: number,
): Promise<{ crashes: number; dropped: number }> {
  const random = new Random(seed);
  const { bytes, state } = await fresh();
  const io = new MemoryIo(bytes);
  const first = await session(io, random, commits, state);
  let crashes = 0;
  let dropped = 0;
  for (let at = 0; at <= first.log.length; at++) {
    const { least, most } = range(first, at);
    for (let way = 0; way < ways; way++) {
      crashes++;
      const left = new MemoryIo(afterCrash(bytes, first.log, at, random));
      const reader = await OverlayFile.open(new MemoryIo(left.bytes), { ...OPTIONS, readOnly: true });
      const found = await stateOf(reader, first.states, least, most);
      if (found < most) dropped++;
      if (way % 2 === 0) await crashAgain(left.bytes, first.states[found]!.state, random);
      else if (way === 1) await killThenCut(bytes, first, at, random);
    }
  }
  return { crashes, dropped };
}

async function crashAgain(bytes: Uint8Array, state: State, random: Random): Promise<void> {
  const io = new MemoryIo(bytes);
  const second = await session(io, random, 3, state);
  const at = random.below(second.log.length + 1);
  const { least, most } = range(second, at);
  const left = new MemoryIo(afterCrash(bytes, second.log, at, random));
  const file = await OverlayFile.open(left, OPTIONS);
  await stateOf(file, second.states, least, most);
}

/** First the process is killed, so that the system still has all that it wrote; later the power goes, and what was not synced. */
async function killThenCut(bytes: Uint8Array, first: Session, at: number, random: Random): Promise<void> {
  const io = new MemoryIo(bytes, first.log.slice(0, at));
  const { least, most } = range(first, at);
  const reader = await OverlayFile.open(new MemoryIo(io.bytes), { ...OPTIONS, readOnly: true });
  const found = await stateOf(reader, first.states, least, most);
  const second = await session(io, random, 3, first.states[found]!.state);
  const opened = second.states[0]!.durable;
  const end = opened + random.below(second.log.length - opened + 1);
  const left = new MemoryIo(afterCrash(bytes, second.log, end, random));
  const later = range(second, end);
  await stateOf(await OverlayFile.open(left, OPTIONS), second.states, later.least, later.most);
}

void describe("an overlay file after a crash", () => {
  void it("holds what was committed, or one commit more, whatever of the last writes came into it", async (test) => {
    let crashes = 0;
    let dropped = 0;
    for (let seed = 1; seed <= 2; seed++) {
      const counts = await crashEverywhere(seed, 25, 4);
      crashes += counts.crashes;
      dropped += counts.dropped;
    }
    test.diagnostic(`${crashes} crashes; in ${dropped} the commit under way was lost`);
    assert.ok(dropped > crashes / 20, "the simulation loses next to nothing");
    assert.ok(dropped < crashes * 0.9, "the simulation loses next to everything");
  });

  void it("fails a commit that the file has no room for, keeps the one before, and commits when there is room", async () => {
    const { bytes, state } = await fresh();
    const io = new MemoryIo(bytes);
    const file = await OverlayFile.open(io, OPTIONS);
    const states: Session["states"] = [{ state, begun: 0, durable: 0 }];
    const random = new Random(7);
    let failures = 0;
    for (let round = 0; round < 120; round++) {
      const last = states.at(-1)!.state;
      const next = { capacity: last.capacity, chunks: new Map(last.chunks) };
      io.failAfter = round % 3 === 0 ? random.below(4) : Infinity;
      try {
        await change(file, next, random);
        states.push({ state: next, begun: 0, durable: 0 });
      } catch {
        failures++;
        io.failAfter = Infinity;
      }
      io.failAfter = Infinity;
      await stateOf(file, states, states.length - 1, states.length - 1);
      const again = await OverlayFile.open(new MemoryIo(io.bytes), { ...OPTIONS, readOnly: true });
      await stateOf(again, states, states.length - 1, states.length - 1);
    }
    assert.ok(failures > 20, `only ${failures} failures`);
  });

  void it("believes no commit after a sync that failed", async () => {
    const { bytes } = await fresh();
    const io = new MemoryIo(bytes);
    const file = await OverlayFile.open(io, OPTIONS);
    await file.save([[1, filled(1)]], []);
    io.failSync = true;
    await assert.rejects(file.save([[1, filled(2)]], []), { kind: "io" });
    io.failSync = false;
    await assert.rejects(file.save([[2, filled(3)]], []), { kind: "io" });
    assert.ok(isPattern((await file.load([1]))[0], 1));
    await file.close();
  });
});

void describe("an overlay file that lives long", () => {
  void it("does not grow when the same chunks are written again and again", async () => {
    const { bytes } = await fresh();
    const io = new MemoryIo(bytes);
    const file = await OverlayFile.open(io, OPTIONS);
    let early = 0;
    for (let round = 0; round < 600; round++) {
      await file.save([[round % 8, filled(round)]], round % 16 === 0 ? [(round + 3) % 8] : []);
      if (round === 100) early = io.size();
    }
    assert.ok(io.size() <= early + 2 * CHUNK, `${early} bytes after 100 commits, ${io.size()} after 600`);
    assert.ok(io.size() <= (8 + 1 + 1 + 12) * CHUNK, `${io.size() / CHUNK} slots for 8 chunks`);
    await file.close();
  });

  void it("syncs once for each commit, but for compactions", async () => {
    const { bytes } = await fresh();
    const io = new MemoryIo(bytes);
    const file = await OverlayFile.open(io, { ...OPTIONS, shortJournal: 2 ** 20 });
    const before = io.syncs;
    for (let round = 0; round < 50; round++) await file.save([[round % 8, filled(round)]], []);
    assert.equal(io.syncs - before, 50);
    await file.close();
  });

  void it("copies the bytes of a save that has to wait for its turn", async () => {
    const { bytes } = await fresh();
    const file = await OverlayFile.open(new MemoryIo(bytes), OPTIONS);
    const growing = file.setCapacity(64 * CHUNK);
    const data = filled(5);
    const saving = file.save([[60, data]], []);
    data.fill(0);
    await Promise.all([growing, saving]);
    assert.ok(isPattern((await file.load([60]))[0], 5));
    await file.close();
  });
});

void describe("an overlay file that is damaged", () => {
  /** A closed file with some commits, and their last state. */
  async function closed(): Promise<{ bytes: Uint8Array; states: Session["states"] }> {
    const { bytes, state } = await fresh();
    const io = new MemoryIo(bytes);
    // With a long journal, for that has most to be damaged.
    const { states } = await session(io, new Random(3), 40, state, { ...OPTIONS, shortJournal: 2 ** 20 });
    return { bytes: io.bytes, states };
  }

  /** Opens it; the chunks that cannot be read are told one by one, all others are what they should be. */
  async function tryToOpen(
    bytes: Uint8Array,
    states: Session["states"],
  ): Promise<"refused" | "whole" | "chunk lost"> {
    const io = new MemoryIo(bytes);
    let file: OverlayFile;
    try {
      file = await OverlayFile.open(io, OPTIONS);
    } catch (error) {
      assert.ok(error instanceof DiskError, String(error));
      assert.equal(error.kind, "invalid");
      assert.match(
        error.message,
        /^The disk file test (is damaged: .*|does not hold .*|was made by a newer .*)\.$/,
      );
      assert.deepEqual(io.log, [], "nothing is written to it");
      return "refused";
    }
    const last = states.at(-1)!.state;
    const { chunks, holes } = file.contents();
    assert.equal(file.capacity, last.capacity);
    assert.equal(chunks.size + holes.size, last.chunks.size);
    const loaded = await file.load([...chunks]);
    let lost = 0;
    for (const [index, number] of [...chunks].entries()) {
      const data = loaded[index]!;
      if (data instanceof DiskError) lost++;
      else assert.ok(isPattern(data, last.chunks.get(number) as number), `chunk ${number} is another`);
    }
    await file.close();
    return lost > 0 ? "chunk lost" : "whole";
  }

  void it("is refused, or fails the one chunk, wherever a byte is wrong; and never is another disk", async () => {
    const { bytes, states } = await closed();
    const seen = new Set<string>();
    const random = new Random(5);
    for (let round = 0; round < 600; round++) {
      const damaged = bytes.slice();
      // The heads of pages are where the file's own structures are.
      const at =
        round % 2 ? random.below(bytes.length) : random.below(bytes.length / 4096) * 4096 + random.below(300);
      damaged[at]! ^= 1 << random.below(8);
      seen.add(await tryToOpen(damaged, states));
    }
    assert.deepEqual([...seen].sort(), ["chunk lost", "refused", "whole"]);
  });

  void it("is refused wherever it is cut off, unless nothing of it was there", async () => {
    const { bytes, states } = await closed();
    const seen = new Map<string, number>();
    for (let length = 0; length < bytes.length; length += 4096 - 512) {
      const outcome = await tryToOpen(bytes.slice(0, length), states);
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }
    assert.ok((seen.get("refused") ?? 0) > 10, JSON.stringify([...seen]));
  });

  void it("has a superblock of another file, or none", async () => {
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(100),
      new Uint8Array(2 ** 20),
      randomBytes(2 ** 16, 1),
    ]) {
      await assert.rejects(OverlayFile.open(new MemoryIo(bytes), OPTIONS), {
        kind: "invalid",
        message: /does not hold the changes of a disk over a base/,
      });
    }
    const { bytes } = await closed();
    for (const page of [0, 4096]) bytes[page + 16] = 2;
    await assert.rejects(OverlayFile.open(new MemoryIo(bytes), OPTIONS), { message: /newer version/ });
  });
});
