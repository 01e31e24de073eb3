/** What the page asks of the browser's storage, and what the person hears of the answer. */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { parseConfig } from "../../src/config/grammar.ts";
import { Notices } from "../../src/page/notices.ts";

const stored = parseConfig("device=blk,id=a,store=idb,size=1M", "browser");
const unstored = parseConfig("device=blk,id=a,store=memory,size=1M", "browser");
const originals = (["navigator", "localStorage"] as const).map(
  (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
);

afterEach(() => {
  for (const [name, original] of originals) {
    if (original) Object.defineProperty(globalThis, name, original);
    else Reflect.deleteProperty(globalThis, name);
  }
});

describe("stored disks", () => {
  it("are asked for once; a refusal is told once, at this visit and the next", async () => {
    let asked = 0;
    pretend({ persisted: () => Promise.resolve(false), persist: () => Promise.resolve(++asked < 0) });
    const [first, second] = [await visit(1), await visit(2)];
    const notices = new Notices();
    await first(unstored, notices);
    assert.equal(asked, 0, "no disk is stored");
    await first(stored, notices);
    await first(stored, notices);
    assert.equal(asked, 1);
    assert.deepEqual(
      notices.list.value.map(({ level, count }) => [level, count]),
      [["info", 1]],
    );
    const next = new Notices();
    await second(stored, next);
    assert.deepEqual([asked, next.list.value.length], [2, 0]);
  });

  it("that the browser keeps are nothing to talk about", async () => {
    for (const [index, storage] of [
      { persisted: () => Promise.resolve(true) },
      { persisted: () => Promise.resolve(false), persist: () => Promise.resolve(true) },
    ].entries()) {
      pretend(storage);
      const notices = new Notices();
      await (
        await visit(10 + index)
      )(stored, notices);
      assert.equal(notices.list.value.length, 0);
    }
  });

  it("work where the browser cannot be asked, or refuses with an error", async () => {
    for (const [index, storage] of [
      undefined,
      {},
      { persist: () => Promise.reject(new TypeError("no")) },
    ].entries()) {
      pretend(storage);
      const notices = new Notices();
      await (
        await visit(20 + index)
      )(stored, notices);
      assert.equal(notices.list.value.length, 1);
    }
  });
});

/** The module as a page that was just loaded has it. */
async function visit(number: number): Promise<typeof import("../../src/page/storage.ts").keepDisks> {
  const module = (await import(
    `../../src/page/storage.ts?visit=${number}`
  )) as typeof import("../../src/page/storage.ts");
  return module.keepDisks;
}

/** A browser with this storage, and nothing remembered. */
function pretend(storage: Partial<StorageManager> | undefined): void {
  const remembered = new Map<string, string>();
  const localStorage = {
    getItem: (key: string) => remembered.get(key) ?? null,
    setItem: (key: string, value: string) => void remembered.set(key, value),
  };
  for (const [name, value] of Object.entries({ navigator: { storage }, localStorage })) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}
