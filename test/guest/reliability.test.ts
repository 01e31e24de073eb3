/** A few of the kills that `npm run reliability -- --store file` has a hundred of. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { openFileLab } from "../reliability/file-lab.ts";
import { blockText } from "../reliability/guest.ts";
import { Ledger } from "../reliability/ledger.ts";
import { runKills } from "../reliability/run.ts";

const KILLS = 2;

void describe("a guest that writes and syncs while its machine is killed", () => {
  before(() => ensureImages(["debian-busybox"], streamProgress(process.stderr, "")));

  void it(`finds all that it synced after each of ${KILLS} kills, on a raw disk and over a base`, async (test) => {
    const lab = await openFileLab();
    const { kills, logged, verified } = await runKills(lab, KILLS);
    await lab.dispose();
    test.diagnostic(`${kills} kills, ${logged} blocks synced, read back ${verified} times`);
    assert.equal(kills, KILLS);
    assert.ok(logged > 0 && verified > 0);
  });
});

void describe("the ledger of what was synced", () => {
  const written = (numbers: readonly number[]): string => {
    const ring = numbers.map(blockText).join("");
    return `ring ${ring.length}\n--\n${ring}`;
  };

  void it("takes what was logged, and of what was begun anything", () => {
    const ledger = new Ledger("test");
    ledger.log(ledger.begin(3), 3);
    const zeros = "\0".repeat(4096);
    assert.equal(ledger.verify(`ring ${4 * 4096}\n--\n${zeros}${[1, 2, 3].map(blockText).join("")}`), 3);
    ledger.begin(2);
    assert.equal(ledger.verify(`ring ${5 * 4096}\n--\n${zeros}${[1, 2, 3, 4].map(blockText).join("")}`), 3);
  });

  void it("notices what is lost, older, torn, or was never written", () => {
    const ledger = new Ledger("test");
    ledger.log(ledger.begin(260), 260);
    const places = Array.from({ length: 256 }, (_, place) => (place < 5 ? 256 + place : place));
    const files = [
      104, 112, 120, 128, 136, 144, 152, 160, 168, 176, 184, 192, 200, 208, 216, 224, 232, 240, 248, 256,
    ];
    const dump = (numbers: readonly number[], kept: readonly number[] = files): string =>
      [
        `ring ${numbers.length * 4096}`,
        ...kept.map((n) => `d/${n} 4096`),
        `--\n${[...numbers, ...kept].map(blockText).join("")}`,
      ].join("\n");
    assert.equal(ledger.verify(dump(places)), 256 + files.length);
    const older = places.with(3, 3);
    assert.throws(() => ledger.verify(dump(older)), /block 259, which was synced, is not there, but 3/);
    assert.throws(() => ledger.verify(dump(places.slice(0, 255))), /block 255, .* but 0/);
    assert.throws(() => ledger.verify(dump(places, files.slice(0, -1))), /the file d\/256, .* is not there/);
    assert.throws(() => ledger.verify(dump(places, [...files, 264])), /d\/264 was never written/);
    assert.throws(
      () => ledger.verify(dump(places.with(7, 263))),
      /block 263 at place 7 .* not what was written/,
    );
    assert.throws(() => ledger.verify(dump(places).replace(/ 07 /, " 70 ")), /is not what was/);
    assert.throws(() => ledger.verify(written([1]).slice(0, -1)), /could not read/);
  });
});
