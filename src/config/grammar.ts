import { defaultMachine, impliedDevices, MOST_DEVICES, type Platform } from "./defaults.ts";
import { ConfigError, quote, type Place } from "./error.ts";
import { assignment, decode, encode, raw, split } from "./escape.ts";
import { candidates, DEVICE_KINDS, entries, kindOf, MACHINE_WORDS, type Context } from "./options.ts";
import { closest } from "./similar.ts";
import type { BlockConfig, DeviceConfig, MachineConfig } from "./types.ts";
import { BadValue, either } from "./values.ts";

/**
 * The grammar that a link's fragment, the page and the command line share:
 *
 *     config  = [ "#" ] [ word *( "&" word ) ]
 *     word    = "image=" NAME / "memory=" SIZE / "append=" TEXT / "mmio=" NAME / "strict=" ONOFF
 *             / "device=" device
 *     device  = "none" / kind *( "," option "=" value )
 *     kind    = "console" / "rng" / "net" / "blk"
 *
 * For example `memory=128M&append=quiet&device=blk,id=home,store=idb,size=1G,transport=mmio`. Words and options come
 * from the tables of ./options.ts and may stand in any order, each once; only `device` may be repeated, and the
 * devices' order is their order on the bus. Empty words are skipped.
 *
 * In a value `%XX` is a byte of UTF-8, everything else is itself: `%26` is an ampersand, `%25` a percent sign, and
 * inside a device `%2C` a comma. An equals sign needs no escape after the first one; a space may be written as it is.
 *
 * What is not named has its standard value, which may depend on the platform (a disk is kept in IndexedDB in the
 * browser, in memory in Node). A text that names no device describes the default machine's; one that names some has
 * a console, an entropy and a network device before them, unless it names one of that kind itself or says `device=none`.
 *
 * Throws a {@link ConfigError} with the place, what was expected and what was probably meant.
 */
export function parseConfig(text: string, platform: Platform = "browser"): MachineConfig {
  const start = text.startsWith("#") ? 1 : 0;
  const words = split({ text, offset: start, length: text.length - start }, "&")
    .filter(({ length }) => length > 0)
    .map(assignment);
  const isDevice = ({ name }: Assignment) => raw(name) === "device";
  const { values } = readOptions(
    words.filter((word) => !isDevice(word)),
    {
      table: MACHINE_WORDS,
      whose: "a machine",
      others: [{ name: "device", akin: ["dev"] }],
      context: { platform, position: 0 },
    },
  );
  return { ...values, devices: readDevices(words.filter(isDevice), platform) } as MachineConfig;
}

/**
 * The one shortest text of a machine: what `parseConfig` would supply by itself is left out, everything else stands in
 * the order of the tables. `parseConfig(formatConfig(config))` is `config` for every config that `parseConfig` makes.
 */
export function formatConfig(config: MachineConfig, platform: Platform = "browser"): string {
  const words = formatOptions(config, MACHINE_WORDS, { platform, position: 0 }, "&");
  return [...words, ...formatDevices(config.devices, platform)].join("&");
}

/**
 * One more disk for a machine that has `devices`: what stands after `device=` in its text, for example
 * `blk,id=data,size=64M`; with `device=` before it, too. Throws a {@link ConfigError} as `parseConfig` does.
 */
export function parseDisk(
  text: string,
  devices: readonly DeviceConfig[],
  platform: Platform = "browser",
): BlockConfig {
  const start = /^#?device=/.exec(text)?.[0].length ?? 0;
  const word: Place = { text, offset: start, length: text.length - start };
  const [kind, ...options] = split(word, ",");
  const device = readDevice(word, kind!, options, devices, platform);
  if (device.device !== "blk") throw new ConfigError("This is no disk", { place: kind!, expected: "blk" });
  if (devices.some((other) => sameId(device, other))) throw duplicateId(device, word);
  return device;
}

type Assignment = ReturnType<typeof assignment>;

// ---- Options of a machine or a device

interface Owner {
  table: object;
  whose: string;
  /** Words that are right here but are not read as options. */
  others?: readonly { name: string; akin?: readonly string[] }[];
  context: Context;
}

function readOptions(words: readonly Assignment[], owner: Owner) {
  const values: Record<string, unknown> = {};
  const places = new Map<string, Place>();
  const options = entries(owner.table);
  for (const { word, name, value } of words) {
    const found = options.find(([, option]) => option.word === raw(name));
    if (found === undefined) throw unknownWord(word, name, owner);
    const [key, option] = found;
    if (value === undefined) {
      const first = option.type.choices?.[0];
      throw new ConfigError(`${quote(raw(word))} has no value`, {
        place: word,
        expected: `${option.word}=${option.type.syntax}`,
        ...(first !== undefined && { suggestion: `${option.word}=${first}` }),
      });
    }
    if (places.has(option.word)) {
      throw new ConfigError(`"${option.word}" stands twice for ${owner.whose}`, {
        place: word,
        expected: "it once",
      });
    }
    places.set(option.word, word);
    values[key] = readValue(value, option.type, option.word);
  }
  for (const [key, option] of options) {
    if (!places.has(option.word)) values[key] = option.standard(values, owner.context);
  }
  return { values, places };
}

function readValue(place: Place, type: { parse(text: string): unknown }, word: string): unknown {
  const decoded = decode(place);
  try {
    return type.parse(decoded);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    const { expected, suggestion } = error;
    const problem = decoded === "" ? `"${word}" is empty` : `${quote(decoded)} is not a value of "${word}"`;
    throw new ConfigError(problem, { place, expected, ...(suggestion !== undefined && { suggestion }) });
  }
}

function unknownWord(word: Place, name: Place, { table, whose, others = [] }: Owner): ConfigError {
  const known = [...candidates(table), ...others];
  const expected = either(known.map((candidate) => candidate.name));
  const written = raw(name);
  if (written === "") {
    return new ConfigError(`A name is missing in the description of ${whose}`, { place: word, expected });
  }
  const device = table === MACHINE_WORDS ? deviceAsWord(word) : undefined;
  const meant = device ?? closest(written, known);
  return new ConfigError(`${quote(written)} is not a word that ${whose} has`, {
    place: device === undefined ? name : word,
    expected,
    ...(meant !== undefined && { suggestion: meant }),
  });
}

/** `blk,id=home` in the place of a word was meant to be `device=blk,id=home`. */
function deviceAsWord(word: Place): string | undefined {
  const isKind = Object.keys(DEVICE_KINDS).includes(raw(split(word, ",")[0]!));
  return isKind ? `device=${raw(word)}` : undefined;
}

function formatOptions(owner: object, table: object, context: Context, separators: "&" | "&,"): string[] {
  const values = owner as Record<string, unknown>;
  return entries(table).flatMap(([key, option]) => {
    const value = values[key];
    if (value === undefined || value === option.standard(values, context)) return [];
    return [`${option.word}=${encode(option.type.format(value), separators)}`];
  });
}

// ---- Devices

const NONE = "none";

function readDevices(words: readonly Assignment[], platform: Platform): DeviceConfig[] {
  if (words.length === 0) return defaultMachine(platform).devices;
  const named: DeviceConfig[] = [];
  let implied = true;
  for (const { word, value } of words) {
    const [kindPlace, ...options] = split(
      value ?? { ...word, offset: word.offset + word.length, length: 0 },
      ",",
    );
    if (raw(kindPlace!) === NONE && options.length === 0) {
      implied = false;
      continue;
    }
    if (named.length === MOST_DEVICES) {
      throw new ConfigError("These are too many devices", {
        place: word,
        expected: `at most ${MOST_DEVICES}`,
      });
    }
    const device = readDevice(word, kindPlace!, options, named, platform);
    if (named.some((other) => sameId(device, other))) throw duplicateId(device, word);
    named.push(device);
  }
  return [...(implied ? impliedBeside(named, platform) : []), ...named];
}

function readDevice(
  word: Place,
  kindPlace: Place,
  options: readonly Place[],
  before: readonly DeviceConfig[],
  platform: Platform,
): DeviceConfig {
  const kind = readKind(word, kindPlace);
  const position = before.filter(({ device }) => device === kind).length;
  const traits = kindOf(kind);
  if (position === traits.most) {
    throw new ConfigError(`A second ${kind} cannot be`, {
      place: word,
      expected: `at most ${position} in a machine`,
    });
  }
  for (const option of options) if (option.length === 0) throw emptyOption(option, kind);
  const { values, places } = readOptions(options.map(assignment), {
    table: traits.options,
    whose: `a ${kind} device`,
    context: { platform, position },
  });
  const device = { device: kind, ...values } as unknown as DeviceConfig;
  const wrong = traits.check?.(device);
  if (wrong !== undefined) {
    const { problem, expected } = wrong;
    throw new ConfigError(problem, { place: places.get(wrong.word) ?? word, expected });
  }
  return device;
}

function readKind(word: Place, place: Place): DeviceConfig["device"] {
  const written = raw(place);
  const kinds = Object.keys(DEVICE_KINDS) as DeviceConfig["device"][];
  const found = kinds.find((kind) => kind === written);
  if (found !== undefined) return found;
  const expected = either([...kinds, NONE]);
  if (written === "") throw new ConfigError("The device is missing", { place: word, expected });
  if (written === NONE)
    throw new ConfigError(`"${NONE}" has no options`, { place: word, expected: "it alone" });
  const decoded = decode(place);
  const known = Object.entries(DEVICE_KINDS).map(([name, { akin }]) => ({ name, akin }));
  // Whoever builds links with a general URL library gets the commas between the options escaped too.
  const meant = decoded.includes(",") ? decoded : closest(decoded, known);
  throw new ConfigError(`${quote(written)} is not a device`, {
    place,
    expected,
    ...(meant !== undefined && { suggestion: meant }),
  });
}

function emptyOption(place: Place, kind: string): ConfigError {
  // QEMU's way to write a comma is to write two.
  return new ConfigError(`An option of a ${kind} device is empty`, {
    place: { ...place, offset: place.offset - 1, length: 1 },
    expected: "OPTION=VALUE after the comma (a comma inside a value is written %2C)",
  });
}

/** Of the devices that have an id, each has another within its kind. */
function sameId(one: DeviceConfig, other: DeviceConfig): boolean {
  return one.device === other.device && "id" in one && "id" in other && one.id === other.id;
}

function duplicateId(device: DeviceConfig, place: Place): ConfigError {
  const [what, first] = device.device === "blk" ? ["disk", "disk0"] : ["network device", "net0"];
  const id = "id" in device ? device.id : "";
  return new ConfigError(`There is a ${what} ${quote(id)} already`, {
    place,
    expected: `a different id=NAME for each ${what} (the first one without an id is ${first})`,
  });
}

function impliedBeside(named: readonly DeviceConfig[], platform: Platform): DeviceConfig[] {
  return impliedDevices(platform).filter(({ device }) => named.every((other) => other.device !== device));
}

function formatDevices(devices: readonly DeviceConfig[], platform: Platform): string[] {
  if (equal(devices, defaultMachine(platform).devices)) return [];
  const seen = new Map<string, number>();
  const words = devices.map((device) => {
    const position = seen.get(device.device) ?? 0;
    seen.set(device.device, position + 1);
    const options = formatOptions(device, kindOf(device.device).options, { platform, position }, "&,");
    return `device=${[device.device, ...options].join(",")}`;
  });
  // As many devices at the front as possible are left to be implied; the rest must then imply just these.
  for (let first = Math.min(impliedDevices(platform).length, devices.length - 1); first >= 0; first--) {
    if (equal([...impliedBeside(devices.slice(first), platform), ...devices.slice(first)], devices))
      return words.slice(first);
  }
  return [`device=${NONE}`, ...words];
}

/** Devices are flat objects of plain values, written by one hand: the same properties, in whatever order. */
function equal(some: readonly DeviceConfig[], others: readonly DeviceConfig[]): boolean {
  return some.length === others.length && some.every((device, index) => equalDevice(device, others[index]!));
}

function equalDevice(one: DeviceConfig, other: DeviceConfig): boolean {
  return (
    one.device === other.device &&
    entries(kindOf(one.device).options).every(
      ([key]) =>
        (one as unknown as Record<string, unknown>)[key] ===
        (other as unknown as Record<string, unknown>)[key],
    )
  );
}
