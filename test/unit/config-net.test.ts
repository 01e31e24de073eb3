import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError } from "../../src/config/error.ts";
import { formatConfig, parseConfig } from "../../src/config/grammar.ts";
import type { NetConfig } from "../../src/config/types.ts";
import { parseWire } from "../../src/config/wire.ts";

function nic(options: string, platform: "browser" | "node" = "node"): NetConfig {
  const found = parseConfig(`device=net${options}`, platform).devices.find(({ device }) => device === "net");
  assert.ok(found?.device === "net");
  return found;
}

describe("a network device", () => {
  it("has a gateway, every offload and one pair of queues unless told otherwise", () => {
    const { id, wire, gateway, mac, relay, mtu, queues } = nic("");
    assert.deepEqual(
      { id, wire, gateway, mac, relay, mtu, queues },
      {
        id: "net0",
        wire: "gateway",
        gateway: true,
        mac: undefined,
        relay: undefined,
        mtu: 1500,
        queues: 1,
      },
    );
    const { csum, guestCsum, hostTso4, hostTso6, guestTso4, guestTso6, mrgRxbuf, ctrlVq, guestAnnounce } =
      nic("");
    assert.ok(csum && guestCsum && hostTso4 && hostTso6 && guestTso4 && guestTso6 && mrgRxbuf && ctrlVq);
    assert.ok(guestAnnounce);
  });

  it("goes out over HTTP where a browser's rules hold, and only there unless told", () => {
    assert.deepEqual([nic("", "browser").http, nic("", "node").http], [true, false]);
    assert.deepEqual([nic(",http=off", "browser").http, nic(",http=on", "node").http], [false, true]);
  });

  it("is plugged into a gateway, a room, tabs or nothing", () => {
    assert.deepEqual(parseWire(nic(",wire=none").wire), { kind: "none" });
    assert.deepEqual(parseWire(nic(",wire=room:Blue_1.a-b").wire), { kind: "room", name: "Blue_1.a-b" });
    assert.deepEqual(parseWire(nic(",wire=tabs:lab").wire), { kind: "tabs", name: "lab" });
  });

  it("keeps MAC addresses in one spelling", () => {
    assert.equal(nic(",mac=02-AB-cd-00-00-01").mac, "02:ab:cd:00:00:01");
  });

  it("knows several relays", () => {
    const relay = "ws://localhost:8086/relay wss://relay.example/";
    assert.equal(nic(`,wire=room:a,relay=${relay}`).relay, relay);
    const text = formatConfig(parseConfig(`device=net,wire=room:a,relay=${relay}`));
    assert.equal(text, "device=net,wire=room:a,relay=ws://localhost:8086/relay%20wss://relay.example/");
  });

  it("without checksums is without what needs them (5.1.3.1)", () => {
    const { hostTso4, hostTso6, guestTso4 } = nic(",csum=off");
    assert.deepEqual([hostTso4, hostTso6, guestTso4], [false, false, true]);
    const { guestTso4: four, guestTso6: six } = nic(",guest_csum=off");
    assert.deepEqual([four, six], [false, false]);
    assert.equal(nic(",ctrl_vq=off").guestAnnounce, false);
  });

  const refused: [options: string, piece: string, message: RegExp, suggestion?: string][] = [
    ["wire=room:", "room:", /expected gateway, none, room:NAME or tabs:NAME/],
    ["wire=room", "room", /expected gateway, none, room:NAME/],
    ["wire=room:a b", "room:a b", /expected gateway/],
    ["wire=room:.hidden", "room:.hidden", /expected gateway/],
    [`wire=room:${"x".repeat(65)}`, `room:${"x".repeat(65)}`, /64 letters/],
    ["wire=gatway", "gatway", /expected gateway/, "gateway"],
    ["wire=user", "user", /expected gateway/, "gateway"],
    ["mac=01:00:5e:00:00:01", "01:00:5e:00:00:01", /the MAC address of one host/],
    ["mac=00:00:00:00:00:00", "00:00:00:00:00:00", /the MAC address of one host/],
    ["mac=02:00:00:00:01", "02:00:00:00:01", /the MAC address of one host/],
    ["mac=02:00:00:00:00:01:02", "02:00:00:00:00:01:02", /the MAC address of one host/],
    ["wire=room:a,relay=http://x/", "http://x/", /begin with ws:\/\/ or wss:\/\//, "ws://x/"],
    ["wire=room:a,relay=nonsense", "nonsense", /begin with ws/],
    ["relay=ws://x/", "relay=ws://x/", /wire=gateway has no relay/],
    ["wire=tabs:a,secret=s", "secret=s", /wire=tabs:a has no secret/],
    ["csum=off,host_tso4=on", "host_tso4=on", /without csum has no host_tso4/],
    ["guest_csum=off,guest_tso6=on", "guest_tso6=on", /without guest_csum has no guest_tso6/],
    ["ctrl_vq=off,guest_announce=on", "guest_announce=on", /without ctrl_vq has no guest_announce/],
    ["ctrl_vq=off,queues=2", "queues=2", /one pair of queues/],
    ["mtu=67", "67", /from 68 to 65535/],
    ["queues=17", "17", /from 1 to 16/],
    ["name=-a", "-a", /expected a host's name/],
  ];
  for (const [options, piece, message, suggestion] of refused) {
    it(`is not ${options.slice(0, 60)}`, () => {
      assert.throws(
        () => nic(`,${options}`),
        (error) => {
          assert.ok(error instanceof ConfigError);
          assert.equal(error.piece, piece);
          assert.match(error.message, message);
          assert.equal(error.suggestion, suggestion);
          return true;
        },
      );
    });
  }

  it("has an id that no other has; a disk may have the same", () => {
    assert.throws(() => parseConfig("device=net,id=a&device=net,id=a"), /network device "a" already/);
    assert.throws(() => parseConfig("device=net&device=net,id=net0"), /network device "net0" already/);
    parseConfig("device=net,id=a&device=blk,id=a");
  });
});
