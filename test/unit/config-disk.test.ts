import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MOST_BLOCK_QUEUES } from "../../src/config/defaults.ts";
import { formatConfig, parseConfig } from "../../src/config/grammar.ts";
import type { BlockConfig } from "../../src/config/types.ts";

function disk(options: string): BlockConfig {
  const found = parseConfig(`device=none&device=blk${options && `,${options}`}`, "node").devices[0];
  assert.ok(found?.device === "blk");
  return found;
}

describe("what a disk offers, in the text", () => {
  it("is what its store can do, unless told otherwise", () => {
    const common = { blkSize: 512, queues: 1, secureErase: false, configWce: true };
    const cases: [text: string, discard: boolean, writeZeroes: boolean][] = [
      ["", true, true],
      ["store=memory", true, true],
      ["store=idb", true, true],
      ["path=a.img", false, true],
      ["readonly=on", false, false],
      ["path=a.img,readonly=on", false, false],
      ["discard=off,write_zeroes=off", false, false],
    ];
    for (const [text, discard, writeZeroes] of cases) {
      const { blkSize, queues, secureErase, configWce, ...found } = disk(text);
      assert.deepEqual({ blkSize, queues, secureErase, configWce }, common);
      assert.deepEqual([found.discard, found.writeZeroes], [discard, writeZeroes], text);
    }
  });

  it("has every option, and writes back only what is not standard", () => {
    const text = "size=2M,blk_size=4096,queues=4,discard=off,write_zeroes=off,secure_erase=on,config_wce=off";
    const found = disk(text);
    assert.equal(found.blkSize, 4096);
    assert.equal(found.queues, 4);
    assert.deepEqual([found.discard, found.writeZeroes, found.configWce], [false, false, false]);
    assert.equal(found.secureErase, true);
    const whole = `device=none&device=blk,${text}`;
    assert.equal(formatConfig(parseConfig(whole, "node"), "node"), whole);
    const plain = "device=none&device=blk,blk_size=512,queues=1,discard=on,secure_erase=off,config_wce=on";
    assert.equal(formatConfig(parseConfig(plain, "node"), "node"), "device=none&device=blk");
  });

  it("has a base, whose size it takes, and gives changes back on any store", () => {
    const found = disk("base=debian");
    assert.deepEqual(
      [found.base, found.size, found.store, found.timeout],
      ["debian", undefined, "memory", 600],
    );
    assert.equal(disk("base=debian,size=2G").size, 2 * 1024 ** 3);
    assert.equal(disk("base=debian,path=a.overlay").store, "file");
    assert.equal(disk("base=debian,path=a.overlay").discard, true);
    assert.equal(disk("base=debian,readonly=on").discard, false);
    const whole = "device=none&device=blk,id=root,base=https://example.org/a?b=c%2Cd,timeout=30,size=2G";
    assert.equal(disk(whole.slice("device=none&device=blk,".length)).base, "https://example.org/a?b=c,d");
    assert.equal(formatConfig(parseConfig(whole, "node"), "node").includes("timeout=30"), true);
  });

  it("refuses what cannot be, and says what could", () => {
    const cases: [options: string, message: RegExp][] = [
      ["blk_size=513", /512, 1024, 2048 or 4096/],
      ["blk_size=8192", /512, 1024, 2048 or 4096/],
      ["queues=0", new RegExp(`a number of queues from 1 to ${MOST_BLOCK_QUEUES}`)],
      ["queues=65", /from 1 to 64/],
      ["path=a.img,discard=on", /A disk with store=file has no discard.*discard=off/s],
      ["store=idb,secure_erase=on", /A disk with store=idb has no secure_erase/],
      ["readonly=on,discard=on", /A disk that is readonly has no discard/],
      ["readonly=on,write_zeroes=on", /A disk that is readonly has no write_zeroes/],
      ["size=1536,blk_size=1024", /cannot be divided into blocks of 1024 bytes/],
      ["base=debian,secure_erase=on", /A disk with a base has no secure_erase/],
      ["timeout=30", /A disk without a base waits for no server/],
      ["base=debian,timeout=0", /a number of seconds from 1 to/],
      ["backing_file=debian", /base/],
      ["base=", /"base" is empty/],
      ["num-queues=4", /queues/],
      ["logical_block_size=4096", /blk_size/],
    ];
    for (const [options, message] of cases) assert.throws(() => disk(options), message, options);
  });
});
