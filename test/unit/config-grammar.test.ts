import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultMachine, STANDARD_DEVICE, STANDARD_DISK } from "../../src/config/defaults.ts";
import { ConfigError } from "../../src/config/error.ts";
import { formatConfig, parseConfig } from "../../src/config/grammar.ts";
import { describeGrammar } from "../../src/config/help.ts";
import { COMMON_OPTIONS, DEVICE_KINDS, entries, MACHINE_WORDS } from "../../src/config/options.ts";
import { checkPlatform, storesOf } from "../../src/config/platform.ts";
import type { BlockConfig } from "../../src/config/types.ts";

const MiB = 1024 ** 2;

/** The first disk of a text. */
function disk(text: string): BlockConfig {
  const found = parseConfig(text, "node").devices.find(({ device }) => device === "blk");
  assert.ok(found?.device === "blk");
  return found;
}

function kinds(text: string): string[] {
  return parseConfig(text, "node").devices.map(({ device }) => device);
}

describe("a configuration that is read", () => {
  it("is the default machine when the text is empty", () => {
    for (const platform of ["browser", "node"] as const) {
      for (const text of ["", "#", "&&"]) {
        assert.deepEqual(parseConfig(text, platform), defaultMachine(platform));
      }
    }
    assert.deepEqual(
      defaultMachine("browser").devices.map(({ device, transport }) => [device, transport]),
      [
        ["console", "pci"],
        ["rng", "mmio"],
        ["net", "pci"],
        ["blk", "pci"],
      ],
    );
  });

  it("has its disk in IndexedDB in the browser and in memory in Node", () => {
    const [browser, node] = (["browser", "node"] as const).map(
      (platform) => defaultMachine(platform).devices[3],
    );
    assert.ok(browser?.device === "blk" && node?.device === "blk");
    assert.deepEqual([browser.id, browser.store, browser.size], ["home", "idb", 256 * MiB]);
    assert.deepEqual([node.id, node.store, node.size], ["home", "memory", 64 * MiB]);
  });

  it("has every word of the grammar", () => {
    const text =
      "image=debian&memory=1G&append=init=/bin/sh quiet&mmio=cmdline&strict=on&device=none&device=console,transport=mmio&device=rng,event_idx=off" +
      ",packed=on,in_order=on,ring_reset=off,notification_data=on,notif_config_data=on" +
      "&device=blk,id=home,store=idb,size=1G,transport=mmio,readonly=on,indirect=off,event_idx=on";
    assert.deepEqual(parseConfig(text, "node"), {
      image: "debian",
      memory: 1024 * MiB,
      append: "init=/bin/sh quiet",
      mmio: "cmdline",
      strict: true,
      devices: [
        { ...STANDARD_DEVICE, device: "console", transport: "mmio" },
        {
          ...STANDARD_DEVICE,
          device: "rng",
          transport: "pci",
          eventIdx: false,
          packed: true,
          inOrder: true,
          ringReset: false,
          notificationData: true,
          notifConfigData: true,
        },
        {
          device: "blk",
          id: "home",
          path: undefined,
          store: "idb",
          size: 1024 * MiB,
          ...STANDARD_DISK,
          readonly: true,
          discard: false,
          writeZeroes: false,
          ...STANDARD_DEVICE,
          transport: "mmio",
          indirect: false,
        },
      ],
    });
  });

  it("keeps a console, an entropy and a network device beside devices of its own", () => {
    assert.deepEqual(kinds("device=blk"), ["console", "rng", "net", "blk"]);
    assert.deepEqual(kinds("device=blk&device=rng"), ["console", "net", "blk", "rng"]);
    assert.deepEqual(kinds("device=rng&device=console&device=rng"), ["net", "rng", "console", "rng"]);
    assert.deepEqual(kinds("device=console"), ["rng", "net", "console"]);
    assert.deepEqual(kinds("device=net&device=net"), ["console", "rng", "net", "net"]);
    assert.deepEqual(kinds("device=none"), []);
    assert.deepEqual(kinds("device=blk&device=none"), ["blk"]);
  });

  it("offers what it always did unless told: event indices, indirect tables and queue reset", () => {
    const { eventIdx, indirect, ringReset, packed, inOrder, notificationData, notifConfigData } =
      disk("device=blk");
    assert.deepEqual([eventIdx, indirect, ringReset], [true, true, true]);
    assert.deepEqual([packed, inOrder, notificationData, notifConfigData], [false, false, false, false]);
  });

  it("gives a device on PCI as many MSI-X vectors as the text says, and else one for each queue and one more", () => {
    assert.equal(disk("device=blk").vectors, undefined);
    assert.equal(disk("device=blk,vectors=0").vectors, 0);
    assert.equal(disk("device=blk,transport=pci-transitional,vectors=2048").vectors, 2048);
    for (const wrong of ["2049", "-1", "1.5", "many", ""]) {
      assert.throws(() => disk(`device=blk,vectors=${wrong}`), /MSI-X vectors from 0 to 2048/);
    }
    assert.throws(() => disk("device=blk,transport=mmio,vectors=2"), /transport=mmio has no MSI-X/);
  });

  it("gives a device on version 1 of virtio-mmio nothing that came later, and says so", () => {
    const legacy = disk("device=blk,transport=mmio-legacy");
    assert.equal(legacy.ringReset, false);
    assert.equal(
      formatConfig({ ...parseConfig("device=none"), devices: [legacy] }, "node").includes("ring_reset"),
      false,
    );
    assert.equal(disk("device=blk,ring_reset=off,transport=mmio-legacy").ringReset, false);
    for (const word of ["packed", "in_order", "ring_reset", "notification_data"]) {
      assert.throws(
        () => disk(`device=blk,${word}=on,transport=mmio-legacy`),
        (error: ConfigError) => {
          assert.equal(error.piece, `${word}=on`);
          assert.match(error.message, new RegExp(`transport=mmio-legacy has no ${word}`));
          return true;
        },
      );
    }
  });

  it("names disks by their place", () => {
    const ids = parseConfig("device=blk&device=rng&device=blk,id=x&device=blk", "node").devices.flatMap(
      (device) => (device.device === "blk" ? [device.id] : []),
    );
    assert.deepEqual(ids, ["disk0", "x", "disk2"]);
  });

  it("understands sizes", () => {
    const sizes = {
      "512": 512,
      "64K": 65536,
      "64m": 64 * MiB,
      "1G": 1024 * MiB,
      "1T": 1024 ** 4,
      "1048576": MiB,
    };
    for (const [text, bytes] of Object.entries(sizes)) {
      assert.equal(disk(`device=blk,store=idb,size=${text}`).size, bytes);
    }
    assert.equal(disk("device=blk,store=file,path=a").size, undefined);
    assert.equal(disk("device=blk,store=idb").size, 256 * MiB);
  });

  it("takes a disk with a path for a file", () => {
    assert.deepEqual(
      [disk("device=blk,path=a.img").store, disk("device=blk,path=a.img").path],
      ["file", "a.img"],
    );
  });

  it("decodes %XX, and takes everything else as it is", () => {
    assert.equal(parseConfig("append=a%26b%3Dc%25%20%C3%A9=+,").append, "a&b=c% é=+,");
    assert.equal(parseConfig("append=é ü").append, "é ü");
    assert.equal(disk("device=blk,path=a%2Cb=c%26 d/é.img").path, "a,b=c& d/é.img");
  });
});

describe("a configuration that is refused", () => {
  const cases: [text: string, piece: string, message: RegExp, suggestion?: string][] = [
    [
      "memroy=64M",
      "memroy",
      /not a word that a machine has: expected image, memory, append, mmio, strict or device/,
      "memory",
    ],
    ["mem=64M", "mem", /not a word/, "memory"],
    ["xyzzy=1", "xyzzy", /not a word/],
    ["m=64M", "m", /not a word/, "memory"],
    ["x=1", "x", /not a word/],
    ["a\u202eb\u200bc=1", "a\u202eb\u200bc", /^"a\ufffdb\ufffdc" is not a word/],
    ["=1", "=1", /name is missing/],
    ["image", "image", /has no value: expected image=NAME/],
    ["image=", "", /"image" is empty/],
    ["image=../etc", "../etc", /expected an image's name/],
    ["image=a&memory=1G&image=b", "image=b", /stands twice/],
    ["memory=32M", "32M", /expected memory from 64M to 2G/],
    ["memory=4G", "4G", /expected memory from 64M to 2G/],
    ["memory=99999999999999999999", "99999999999999999999", /expected a size/],
    ["memory=100000000", "100000000", /in steps of 1M/, "95M"],
    ["memory=1.5G", "1.5G", /expected a size/, "1536M"],
    ["memory=64 MiB", "64 MiB", /expected a size/, "64M"],
    ["memory=-1", "-1", /expected a size/],
    ["memory=lots", "lots", /expected a size/],
    ["append=a%00b", "a%00b", /without control characters/],
    [`append=${"x".repeat(1537)}`, "x".repeat(1537), /at most 1536 bytes/],
    ["mmio=dsdt", "dsdt", /expected acpi or cmdline/],
    ["append=50%", "%", /percent sign stands alone/, "%25"],
    ["append=a%C3%28", "%C3", /no UTF-8/],
    ["device=", "device=", /device is missing: expected console, rng, net, blk or none/],
    ["device", "device", /device is missing/],
    ["device=disk,id=a", "disk", /is not a device: expected console, rng, net, blk or none/, "blk"],
    ["device=bkl", "bkl", /is not a device/, "blk"],
    ["device=blk%2Cid%3Dx", "blk%2Cid%3Dx", /is not a device/, "blk,id=x"],
    ["device=none,id=x", "device=none,id=x", /no options/],
    ["blk,size=1M", "blk,size=1M", /not a word/, "device=blk,size=1M"],
    [
      "device=blk,trasport=mmio",
      "trasport",
      /not a word that a blk device has: expected id, path/,
      "transport",
    ],
    ["device=rng,id=x", "id", /not a word that a rng device has/],
    ["device=blk,transport=isa", "isa", /expected pci, /],
    ["device=blk,transport=virtio-mmio", "virtio-mmio", /expected pci, /, "mmio"],
    ["device=blk,readonly", "readonly", /has no value: expected readonly=on\|off/, "readonly=on"],
    ["device=blk,event_idx=yes", "yes", /expected on or off/, "on"],
    ["device=rng,packed=true", "true", /expected on or off/, "on"],
    ["device=rng,ring_packed=on", "ring_packed", /is not a word that a rng device has/, "packed"],
    [
      "device=console,notif_config_data=on,transport=mmio",
      "notif_config_data=on",
      /transport=mmio has no notif_config_data: expected notif_config_data=on only with transport=pci/,
    ],
    ["device=blk,id=a,id=b", "id=b", /stands twice/],
    ["device=blk,,id=b", ",", /option of a blk device is empty/],
    ["device=blk,", ",", /option of a blk device is empty/],
    ["device=blk,id=a b", "a b", /expected a disk's name/],
    ["device=blk,id=abcdefghijklmnopqrstu", "abcdefghijklmnopqrstu", /at most 20 bytes/],
    ["device=blk,size=0", "0", /expected a disk from 512 bytes to 1T/],
    ["device=blk,size=513", "513", /in steps of 512 bytes/, "512"],
    ["device=blk,store=idb,size=2T", "2T", /expected a disk from 512 bytes to 1T/],
    [
      "device=blk,store=memory,size=3G",
      "size=3G",
      /too much for a disk with store=memory: expected at most 2G/,
    ],
    ["device=blk,store=ibd", "ibd", /expected memory, file or idb/, "idb"],
    ["device=blk,store=file", "store=file", /needs its file: expected path=FILE/],
    ["device=blk,store=file,path=", "", /"path" is empty/],
    ["device=blk,store=memory,path=a", "path=a", /store=memory has no path/],
    ["device=blk,id=a&device=blk,id=a", "device=blk,id=a", /disk "a" already/],
    ["device=blk&device=blk,id=disk0", "device=blk,id=disk0", /disk "disk0" already/],
    ["device=console&device=console,transport=mmio", "device=console,transport=mmio", /second console/],
    [`device=rng${"&device=rng".repeat(24)}`, "device=rng", /too many devices: expected at most 24/],
  ];

  for (const [text, piece, message, suggestion] of cases) {
    it(text.length > 60 ? `${text.slice(0, 60)}…` : text, () => {
      assert.throws(
        () => parseConfig(text, "node"),
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

  it("points at the last of two equal pieces", () => {
    const text = "device=blk,id=a&device=blk,id=a";
    assert.throws(() => parseConfig(text), { place: { text, offset: 16, length: 15 } });
  });

  it("is shown with its piece underlined, in one line of the terminal", () => {
    const filler = "x".repeat(500);
    for (const text of [
      "memory=1&append=a",
      `append=${filler}&memory=1&image=${filler}`,
      "append=\u001b[2J\n&memory=1",
    ]) {
      try {
        parseConfig(text);
        assert.fail("accepted");
      } catch (error) {
        assert.ok(error instanceof ConfigError);
        const [, line, marks, ...rest] = error.report().split("\n");
        assert.deepEqual(rest, []);
        assert.ok(line!.length <= 80);
        assert.equal(
          line!.slice(marks!.indexOf("^"), marks!.lastIndexOf("^") + 1),
          error.piece?.replace(/\p{Cc}/gu, "�"),
        );
      }
    }
  });
});

describe("a configuration that is written", () => {
  const canonical: [from: string, to: string][] = [
    ["", ""],
    ["image=debian-busybox&memory=256M&append=", ""],
    ["memory=1024M", "memory=1G"],
    ["memory=134217728", "memory=128M"],
    [
      "device=console&device=rng,transport=mmio&device=net,id=net0&device=blk,id=home,store=memory,size=65536K",
      "",
    ],
    ["device=blk,readonly=off,transport=mmio,id=disk0", "device=blk,transport=mmio"],
    ["device=rng,transport=mmio&device=net&device=console", "device=console"],
    ["device=console&device=rng,transport=mmio&device=net", "device=net"],
    ["device=console&device=blk", "device=console&device=blk"],
    ["device=none", "device=none"],
    ["device=none&device=blk", "device=none&device=blk"],
    ["device=none&device=console&device=net&device=rng", "device=rng"],
    ["device=blk,store=file,path=a b", "device=blk,path=a%20b"],
    ["append=a'b,c&device=blk,path=x,id=y", "append=a%27b,c&device=blk,id=y,path=x"],
  ];
  for (const [from, to] of canonical) {
    it(`${from || "(nothing)"} → ${to || "(nothing)"}`, () => {
      assert.equal(formatConfig(parseConfig(from, "node"), "node"), to);
    });
  }

  it("names a store that only the other front has as its standard", () => {
    assert.equal(
      formatConfig(parseConfig("device=blk", "browser"), "node"),
      "device=net,http=on&device=blk,store=idb",
    );
  });
});

describe("the fronts", () => {
  it("refuse the stores that they lack", () => {
    assert.throws(() => checkPlatform(parseConfig("device=blk,store=idb", "node"), "node"), {
      name: "ConfigError",
      message: /The disk "disk0" has store=idb, which Node does not have: expected store=file,path=FILE/,
    });
    assert.throws(() => checkPlatform(parseConfig("device=blk,path=a", "browser"), "browser"), {
      name: "ConfigError",
      message: /store=file, which a browser does not have: expected store=idb/,
    });
    for (const platform of ["browser", "node"] as const) checkPlatform(defaultMachine(platform), platform);
    assert.deepEqual(storesOf("browser"), ["memory", "idb"]);
    assert.deepEqual(storesOf("node"), ["memory", "file"]);
  });
});

describe("the help", () => {
  it("names every word of the tables, in lines that fit", () => {
    const help = describeGrammar("node");
    const tables = [
      MACHINE_WORDS,
      COMMON_OPTIONS,
      ...Object.values(DEVICE_KINDS).map(({ options }) => options),
    ];
    for (const [, { word, type }] of tables.flatMap(entries))
      assert.ok(help.includes(`${word}=${type.syntax}`), word);
    for (const kind of Object.keys(DEVICE_KINDS)) assert.match(help, new RegExp(`^  ${kind} `, "m"));
    for (const line of help.split("\n")) assert.ok(line.length <= 110, line);
  });
});
