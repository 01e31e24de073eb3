import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LONGEST_TIMEOUT, STANDARD_DISK, type Platform } from "../../src/config/defaults.ts";
import { ConfigError } from "../../src/config/error.ts";
import { formatConfig, parseConfig } from "../../src/config/grammar.ts";
import type { BlockConfig, DeviceConfig, MachineConfig } from "../../src/config/types.ts";

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

const disks: fc.Arbitrary<BlockConfig> = fc
  .oneof(
    fc.constantFrom("memory" as const, "idb" as const).chain((store) =>
      record({
        device: fc.constant("blk" as const),
        id: diskIds,
        store: fc.constant(store),
        path: fc.constant(undefined),
        ...features,
        ...common,
        ...bases,
      }),
    ),
    fc.constantFrom("memory" as const, "idb" as const).chain((store) =>
      record({
        device: fc.constant("blk" as const),
        id: diskIds,
        store: fc.constant(store),
        path: fc.constant(undefined),
        size: fc.oneof(
          fc.constantFrom(64 * 1024 ** 2, 256 * 1024 ** 2),
          sectors(store === "idb" ? 2 ** 40 : 2 ** 31),
        ),
        ...features,
        ...common,
      }),
    ),
    record({
      device: fc.constant("blk" as const),
      id: diskIds,
      store: fc.constant("file" as const),
      path: awkwardText.filter((path) => path !== ""),
      size: fc.option(sectors(2 ** 40), { nil: undefined }),
      ...features,
      ...common,
    }),
  )
  .map(asStoreHas);
const consoles = record({ device: fc.constant("console" as const), ...common });
const entropy = record({ device: fc.constant("rng" as const), ...common });

const devices = fc
  .array(fc.oneof(disks, consoles, entropy), { maxLength: 8 })
  .map((list: DeviceConfig[]) => list.map(asTransportHas))
  .map((list: DeviceConfig[]) =>
    list
      .map(onlyPossible)
      .filter(
        (device, index) =>
          !list
            .slice(0, index)
            .some((other) =>
              device.device === "blk"
                ? other.device === "blk" && other.id === device.id
                : device.device === "console" && other.device === "console",
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
      { numRuns: 1200 },
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
      { numRuns: 1200 },
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
