import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../src/config/grammar.ts";
import { rootDisk, withRootDisk } from "../../src/config/root-disk.ts";
import type { MachineConfig } from "../../src/config/types.ts";

function disks(config: MachineConfig): string[] {
  return config.devices.flatMap((device) =>
    device.device === "blk" ? [`${device.id}=${device.base ?? ""}:${device.store}`] : [],
  );
}

describe("the root disk of an image", () => {
  it("takes the place of the standard disk", () => {
    for (const platform of ["browser", "node"] as const) {
      const store = platform === "browser" ? "idb" : "memory";
      const complete = withRootDisk(parseConfig("image=debian", platform), true, platform);
      assert.deepEqual(disks(complete), [`debian=debian:${store}`]);
      assert.equal(complete.devices.length, 4);
      assert.equal(rootDisk(complete)?.size, undefined);
    }
  });

  it("stands before the disks that a machine names", () => {
    const config = parseConfig(
      "image=debian&device=blk,id=data,size=1M&device=rng&device=blk,id=more",
      "node",
    );
    assert.deepEqual(disks(withRootDisk(config, true, "node")), [
      "debian=debian:memory",
      "data=:memory",
      "more=:memory",
    ]);
    const kinds = withRootDisk(config, true, "node").devices.map(({ device }) => device);
    assert.deepEqual(kinds, ["console", "net", "blk", "blk", "rng", "blk"]);
  });

  it("is what the machine has for it, by base or by name", () => {
    for (const [text, id] of [
      ["image=debian&device=blk,id=mine,base=debian,path=a.overlay", "mine"],
      ["image=debian&device=blk,id=debian,path=whole.img", "debian"],
      ["image=debian&device=blk,id=debian&device=blk,id=mine,base=debian", "mine"],
    ] as const) {
      const config = parseConfig(text, "node");
      assert.equal(withRootDisk(config, true, "node"), config, text);
      assert.equal(rootDisk(config)?.id, id);
    }
  });

  it("is not added for an image that has none, and has a name that fits", () => {
    const config = parseConfig("", "node");
    assert.equal(withRootDisk(config, false, "node"), config);
    const long = withRootDisk(parseConfig("image=a-name-that-is-rather-long", "node"), true, "node");
    assert.equal(rootDisk(long)?.id, "a-name-that-is-rathe");
  });
});
