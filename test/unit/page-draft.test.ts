/** The editor's drafts: through the grammar and back, mistakes in the field where they are. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../src/config/grammar.ts";
import {
  changedWords,
  draftOf,
  newDevice,
  readDraft,
  withOption,
  type MachineDraft,
} from "../../src/page/draft.ts";

const links = [
  "",
  "memory=1G&append=quiet%20a=b&device=none",
  "device=none&device=blk,id=a,store=memory,size=1M,transport=mmio,event_idx=off&device=console,indirect=off",
  "append=100%25%26more&device=blk,id=b,readonly=on",
  "device=net,wire=room:blue,relay=wss://a.example/relay wss://b.example/,secret=a%2Cb,csum=off&device=net,id=lab",
];

describe("a draft", () => {
  for (const link of links) {
    it(`of “${link}” is that machine`, () => {
      const config = parseConfig(link);
      assert.deepEqual(readDraft(draftOf(config)), { config });
    });
  }

  it("places a mistake in its field", () => {
    const draft = draftOf(parseConfig("device=blk,id=a&device=blk,id=b"));
    const [, , , second] = draft.devices;
    const broken: MachineDraft = {
      ...draft,
      devices: draft.devices.map((device) =>
        device === second ? { ...device, options: { ...device.options, size: "100" } } : device,
      ),
    };
    const result = readDraft(broken);
    assert("error" in result);
    assert.deepEqual([result.device, result.word], [second!.key, "size"]);

    const memory = readDraft({ ...draft, options: { ...draft.options, memory: "a lot" } });
    assert("error" in memory);
    assert.deepEqual([memory.device, memory.word], [undefined, "memory"]);
  });

  it("takes an empty field for the standard value", () => {
    const draft = draftOf(parseConfig("memory=1G&device=rng"));
    const result = readDraft({ ...draft, options: { ...draft.options, memory: "" } });
    assert("config" in result);
    assert.equal(result.config.memory, parseConfig("").memory);
  });

  it("adds network devices under names that are free", () => {
    const draft = draftOf(parseConfig("device=net&device=net,id=net2&device=blk,id=disk0"));
    const first = newDevice("net", draft.devices);
    assert.equal(first.options["id"], "net1");
    assert.equal(newDevice("net", [...draft.devices, first]).options["id"], "net3");
    assert.equal(newDevice("rng", draft.devices).options["id"], undefined);
  });

  it("knows what is not as usual, beside what it depends on", () => {
    const [nic, disk] = draftOf(
      parseConfig("device=none&device=net,csum=off,mtu=9000&device=blk,id=a,transport=mmio-legacy"),
    ).devices;
    assert.deepEqual(changedWords(nic!), ["mtu", "csum"]); // and not host_tso4, which cannot be on
    assert.deepEqual(changedWords(disk!), ["id", "transport"]);
  });

  it("adds disks under names that are free", () => {
    const draft = draftOf(parseConfig("device=blk,id=disk0&device=blk,id=disk2"));
    const first = newDevice("blk", draft.devices);
    assert.equal(first.options["id"], "disk1");
    assert.equal(newDevice("blk", [...draft.devices, first]).options["id"], "disk3");
  });

  it("keeps standard what is standard when another option changes what that is", () => {
    const draft = draftOf(parseConfig("device=none&device=blk,id=a,indirect=off"));
    const [disk] = draft.devices;
    assert.equal(disk!.options["ring_reset"], "on");
    const legacy = withOption(disk!, "transport", "mmio-legacy");
    assert.equal(legacy.options["ring_reset"], "off");
    assert.ok("config" in readDraft({ ...draft, devices: [legacy] }));
    assert.deepEqual(withOption(legacy, "transport", "pci"), disk, "and back");

    const refused = readDraft({ ...draft, devices: [withOption(legacy, "packed", "on")] });
    assert("error" in refused);
    assert.deepEqual([refused.device, refused.word], [legacy.key, "packed"]);

    const chosen = withOption(withOption(disk!, "size", "100M"), "store", "memory");
    assert.equal(chosen.options["size"], "100M", "what somebody chose stays");
    assert.equal(withOption(disk!, "store", "memory").options["size"], "64M");
    assert.equal(withOption(disk!, "size", "nonsense").options["size"], "nonsense");
  });

  it("refuses what a browser does not have", () => {
    const draft = draftOf(parseConfig("device=blk,id=a,store=file,path=/a"));
    const result = readDraft(draft);
    assert("error" in result && result.error.message.includes("store=file"));
  });
});
