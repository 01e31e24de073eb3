import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LONGEST_TIMEOUT, STANDARD_DISK, type Platform } from "../../src/config/defaults.ts";
import { ConfigError } from "../../src/config/error.ts";
import { formatConfig, parseConfig } from "../../src/config/grammar.ts";
import type {
  BlockConfig,
  DeviceConfig,
  DiskStore,
  MachineConfig,
  NetConfig,
} from "../../src/config/types.ts";

/** As the parser makes them: ordinary objects. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });

const platforms = fc.constantFrom<Platform>("browser", "node");
const name = (pattern: RegExp) => fc.stringMatching(pattern);

/** Text with all that the grammar treats specially. */
const awkwardText = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom("&", ",", "=", "%", "+", "#", "'", '"', " "),
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
    ),
  })
  .filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));

const common = {
  transport: fc.constantFrom(
    "pci" as const,
    "pci-transitional" as const,
    "mmio" as const,
    "mmio-legacy" as const,
  ),
  eventIdx: fc.boolean(),
  indirect: fc.boolean(),
  packed: fc.boolean(),
  inOrder: fc.boolean(),
  ringReset: fc.boolean(),
  notificationData: fc.boolean(),
  notifConfigData: fc.boolean(),
  vectors: fc.option(fc.nat(2048), { nil: undefined }),
};

/** Without what a legacy device does not have. */
function asTransportHas(device: DeviceConfig): DeviceConfig {
  if (device.transport !== "mmio-legacy") return device;
  return { ...device, packed: false, inOrder: false, ringReset: false, notificationData: false };
}

/** What only PCI has stays there. */
function onlyPossible(device: DeviceConfig): DeviceConfig {
  return device.transport.startsWith("pci")
    ? device
    : { ...device, notifConfigData: false, vectors: undefined };
}

const sectors = (most: number) => fc.integer({ min: 1, max: most / 512 }).map((count) => count * 512);
const diskIds = fc.oneof(fc.constantFrom("disk0", "disk1", "home"), name(/^[A-Za-z0-9._-]{1,20}$/));
const features = {
  base: fc.constant(undefined),
  timeout: fc.integer({ min: 1, max: LONGEST_TIMEOUT }),
  readonly: fc.boolean(),
  blkSize: fc.constantFrom(512, 1024, 2048, 4096),
  queues: fc.integer({ min: 1, max: 64 }),
  discard: fc.boolean(),
  writeZeroes: fc.boolean(),
  secureErase: fc.boolean(),
  configWce: fc.boolean(),
};

/** Without what its store, being read-only or its size forbids. */
function asStoreHas(disk: BlockConfig): BlockConfig {
  const { store, base, readonly, size } = disk;
  return {
    ...disk,
    timeout: base === undefined ? STANDARD_DISK.timeout : disk.timeout,
    blkSize: size !== undefined && size % disk.blkSize !== 0 ? 512 : disk.blkSize,
    discard: disk.discard && (store !== "file" || base !== undefined) && !readonly,
    writeZeroes: disk.writeZeroes && !readonly,
    secureErase: disk.secureErase && store === "memory" && base === undefined && !readonly,
  };
}

const bases = {
  base: awkwardText.filter((text) => /^\S(.*\S)?$/u.test(text)),
  size: fc.option(sectors(2 ** 31), { nil: undefined }),
};
const sizes = {
  memory: fc.oneof(fc.constantFrom(64 * 1024 ** 2, 256 * 1024 ** 2), sectors(2 ** 31)),
  idb: fc.oneof(fc.constantFrom(64 * 1024 ** 2, 256 * 1024 ** 2), sectors(2 ** 40)),
};
const disksIn = <T extends object>(store: DiskStore, traits: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  record({
    device: fc.constant("blk" as const),
    id: diskIds,
    store: fc.constant(store),
    path: fc.constant(undefined),
    ...features,
    ...common,
    ...traits,
  });

const disks: fc.Arbitrary<BlockConfig> = fc
  .oneof(
    disksIn("memory", { size: sizes.memory }),
    disksIn("memory", bases),
    disksIn("idb", { size: sizes.idb }),
    disksIn("idb", bases),
    disksIn("file", {
      path: awkwardText.filter((path) => path !== ""),
      size: fc.option(sectors(2 ** 40), { nil: undefined }),
    }),
  )
  .map(asStoreHas);
const consoles = record({ device: fc.constant("console" as const), ...common });
const entropy = record({ device: fc.constant("rng" as const), ...common });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const nics: fc.Arbitrary<NetConfig> = record({
  device: fc.constant("net" as const),
  id: fc.oneof(fc.constantFrom("net0", "net1"), name(/^[A-Za-z0-9._-]{1,20}$/)),
  wire: fc.oneof(fc.constantFrom("gateway", "none"), name(/^(room|tabs):[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)),
  mac: optional(name(/^[0-9a-f][048c](:[0-9a-f]{2}){5}$/).filter((mac) => /[^0:]/.test(mac))),
  relay: optional(fc.constantFrom("ws://localhost/", "wss://a.example/relay?x=1,2 ws://[::1]:8086/relay")),
  secret: optional(awkwardText.filter((secret) => secret !== "")),
  name: optional(name(/^[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?$/)),
  gateway: fc.boolean(),
  http: fc.boolean(),
  mtu: fc.integer({ min: 68, max: 65535 }),
  speed: fc.nat(0x7fffffff),
  queues: fc.integer({ min: 1, max: 16 }),
  ctrlVq: fc.boolean(),
  mrgRxbuf: fc.boolean(),
  csum: fc.boolean(),
  guestCsum: fc.boolean(),
  hostTso4: fc.boolean(),
  hostTso6: fc.boolean(),
  guestTso4: fc.boolean(),
  guestTso6: fc.boolean(),
  guestAnnounce: fc.boolean(),
  ...common,
}).map((nic) => ({
  ...nic,
  relay: nic.wire.startsWith("room:") ? nic.relay : undefined,
  secret: nic.wire.startsWith("room:") ? nic.secret : undefined,
  queues: nic.ctrlVq ? nic.queues : 1,
  hostTso4: nic.hostTso4 && nic.csum,
  hostTso6: nic.hostTso6 && nic.csum,
  guestTso4: nic.guestTso4 && nic.guestCsum,
  guestTso6: nic.guestTso6 && nic.guestCsum,
  guestAnnounce: nic.guestAnnounce && nic.ctrlVq,
}));

const devices = fc
  .array(fc.oneof(disks, consoles, entropy, nics), { maxLength: 8 })
  .map((list: DeviceConfig[]) => list.map(asTransportHas))
  .map((list: DeviceConfig[]) =>
    list
      .map(onlyPossible)
      .filter(
        (device, index) =>
          !list
            .slice(0, index)
            .some(
              (other) =>
                other.device === device.device &&
                (device.device === "console" || ("id" in device && "id" in other && other.id === device.id)),
            ),
      ),
  );
const machines: fc.Arbitrary<MachineConfig> = record({
  image: fc.oneof(fc.constant("debian-busybox"), name(/^[a-z0-9][a-z0-9._-]{0,20}$/)),
  memory: fc.integer({ min: 64, max: 2048 }).map((count) => count * 1024 ** 2),
  append: awkwardText,
  mmio: fc.constantFrom("acpi" as const, "cmdline" as const),
  strict: fc.boolean(),
  devices,
});

describe("for every machine", () => {
  it("reading what was written gives it back", () => {
    fc.assert(
      fc.property(machines, platforms, (config, platform) => {
        assert.deepEqual(parseConfig(formatConfig(config, platform), platform), config);
      }),
    );
  });

  it("the text survives the address bar", () => {
    fc.assert(
      fc.property(machines, (config) => {
        const url = new URL("http://localhost/");
        url.hash = formatConfig(config);
        assert.equal(url.hash.slice(1), formatConfig(config));
        assert.deepEqual(parseConfig(url.hash), config);
      }),
    );
  });

  it("the text survives a shell's single quotes and a line of a file", () => {
    fc.assert(
      fc.property(machines, (config) => assert.doesNotMatch(formatConfig(config), /['\s#]|[^\x20-\x7e]/)),
    );
  });

  it("nothing can be left out of the text", () => {
    fc.assert(
      fc.property(machines, platforms, (config, platform) => {
        const text = formatConfig(config, platform);
        for (const shorter of [...without(text, "&"), ...without(text, ",")]) {
          assert.notDeepEqual(read(shorter, platform), config, `${shorter} is enough`);
        }
      }),
    );
  });

  it("every character of a value can be percent-encoded", () => {
    const all = (text: string) =>
      [...new TextEncoder().encode(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`);
    fc.assert(
      fc.property(awkwardText, (text) => {
        assert.equal(parseConfig(`append=${all(text).join("")}`).append, text);
      }),
    );
  });
});

describe("for every text", () => {
  const pieces = fc.constantFrom(
    ...[
      "image",
      "memory",
      "append",
      "device",
      "=",
      "=",
      "&",
      "&",
      ",",
      ",",
      "blk",
      "console",
      "rng",
      "net",
      "wire",
      "room:",
      "mac",
      "relay",
      "csum",
      "none",
      "id",
    ],
    ...[
      "store",
      "size",
      "transport",
      "mmio",
      "file",
      "path",
      "on",
      "off",
      "readonly",
      "blk_size",
      "queues",
      "discard",
      "secure_erase",
      "64M",
      "1G",
      "0",
      "%",
      "%2C",
      "#",
    ],
  );
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(pieces, { maxLength: 24 }).map((list) => list.join("")),
    fc
      .array(fc.oneof(pieces, fc.string({ unit: "binary", maxLength: 3 })), { maxLength: 24 })
      .map((list) => list.join("")),
  );

  it("there is a machine, or one ConfigError with a place in the text", () => {
    fc.assert(
      fc.property(texts, platforms, (text, platform) => {
        const config = read(text, platform);
        if (!(config instanceof ConfigError)) {
          assert.deepEqual(parseConfig(formatConfig(config, platform), platform), config);
          return;
        }
        const { place } = config;
        assert.ok(place?.text === text);
        assert.ok(place.offset >= 0 && place.length >= 0 && place.offset + place.length <= text.length);
        assert.match(config.message, /\.( Did you mean ".*"\?)?$/);
        assert.equal(config.report().split("\n").length, 3);
      }),
      { numRuns: 500 },
    );
  });

  it("a suggestion put in the place of the piece is never refused again for the same reason", () => {
    fc.assert(
      fc.property(texts, platforms, (text, platform) => {
        const error = read(text, platform);
        if (!(error instanceof ConfigError) || error.suggestion === undefined) return;
        const { offset, length } = error.place!;
        const mended = text.slice(0, offset) + error.suggestion + text.slice(offset + length);
        const again = read(mended, platform);
        // The same word may stand once more further on, and is then next.
        const same =
          again instanceof ConfigError &&
          again.message === error.message &&
          again.place!.offset < offset + error.suggestion.length;
        assert.ok(!same, mended);
      }),
      { numRuns: 500 },
    );
  });
});

function read(text: string, platform: Platform): MachineConfig | ConfigError {
  try {
    return parseConfig(text, platform);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** The text without each one of its parts. */
function without(text: string, separator: string): string[] {
  const parts = text.split(separator);
  if (parts.length === 1 && separator === ",") return [];
  return parts
    .map((_, index) => parts.filter((_part, other) => other !== index).join(separator))
    .filter((other) => other !== text);
}
