/** A machine while it is edited: the options as texts, which the one grammar reads and whose mistakes it places. */
import { ConfigError } from "../config/error.ts";
import { encode } from "../config/escape.ts";
import { parseConfig } from "../config/grammar.ts";
import { checkPlatform } from "../config/platform.ts";
import { entries, kindOf, MACHINE_WORDS } from "../config/options.ts";
import type { DeviceConfig, MachineConfig } from "../config/types.ts";

export type DeviceKindName = DeviceConfig["device"];

/** Options by their word in the grammar. An empty text stands for the standard value. */
export type OptionTexts = Readonly<Record<string, string>>;

export interface DeviceDraft {
  /** For the page's lists; no part of the machine. */
  key: number;
  kind: DeviceKindName;
  options: OptionTexts;
}

export interface MachineDraft {
  options: OptionTexts;
  devices: readonly DeviceDraft[];
}

/** A mistake, and the field that it is in: of the machine, or of the device with that key. */
export interface DraftError {
  error: ConfigError;
  device: number | undefined;
  word: string | undefined;
}

let nextKey = 1;

export function draftOf(config: MachineConfig): MachineDraft {
  return {
    options: textsOf(config, MACHINE_WORDS),
    devices: config.devices.map((device) => ({
      key: nextKey++,
      kind: device.device,
      options: textsOf(device, kindOf(device.device).options),
    })),
  };
}

/** A device with standard values. `id` is free among the others. */
export function newDevice(kind: DeviceKindName, others: readonly DeviceDraft[]): DeviceDraft {
  const machine = parseConfig(`device=none&device=${kind}`);
  const options = textsOf(machine.devices[0]!, kindOf(kind).options);
  const stem = options.id?.replace(/\d+$/, "");
  if (stem === undefined) return { key: nextKey++, kind, options };
  const taken = new Set(others.filter((other) => other.kind === kind).map((other) => other.options.id));
  let number = 0;
  while (taken.has(`${stem}${number}`)) number++;
  return { key: nextKey++, kind, options: { ...options, id: `${stem}${number}` } };
}

/** A device with one option changed. An option whose value is the standard one keeps being standard, whatever that is now. */
export function withOption(device: DeviceDraft, word: string, value: string): DeviceDraft {
  const changed: OptionTexts = { ...device.options, [word]: value };
  const before = standardTexts(device.kind, device.options);
  const after = standardTexts(device.kind, changed);
  const options = Object.entries(changed).map(([other, text]) => {
    const follows = other !== word && text === before[other];
    return [other, follows ? (after[other] ?? "") : text];
  });
  return { ...device, options: Object.fromEntries(options) as OptionTexts };
}

/** Words of options that are not what they would be if they were not given. */
export function changedWords({ kind, options }: DeviceDraft): string[] {
  const standard = standardTexts(kind, options);
  return Object.keys(options).filter((word) => options[word] !== standard[word] && options[word] !== "");
}

/** What each option would be if it were not given, beside these. */
function standardTexts(kind: DeviceKindName, options: OptionTexts): OptionTexts {
  const known: Record<string, unknown> = {};
  const texts: Record<string, string> = {};
  for (const [key, option] of entries(kindOf(kind).options)) {
    const { word, type } = option;
    const value = option.standard(known, { platform: "browser", position: 0 });
    texts[word] = value === undefined ? "" : type.format(value);
    known[key] = readOr(value, type, options[word] ?? "");
  }
  return texts;
}

function readOr(standard: unknown, type: { parse(text: string): unknown }, text: string): unknown {
  if (text === "") return standard;
  try {
    return type.parse(text);
  } catch {
    return standard; // readDraft tells of the mistake
  }
}

/** Reads a draft as the grammar reads a link. */
export function readDraft(draft: MachineDraft): { config: MachineConfig } | DraftError {
  const { text, fields } = write(draft);
  try {
    const config = parseConfig(text);
    checkPlatform(config, "browser");
    return { config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const offset = error.place?.offset ?? -1;
    const field = fields.find(({ from, to }) => offset >= from && offset < to);
    return { error, device: field?.device, word: field?.word };
  }
}

interface Field {
  from: number;
  to: number;
  device: number | undefined;
  word: string | undefined;
}

/** The draft in the grammar, and which part of the text is which field. */
function write({ options, devices }: MachineDraft): { text: string; fields: Field[] } {
  let text = "";
  const fields: Field[] = [];
  const put = (piece: string, device?: number, word?: string) => {
    fields.push({ from: text.length, to: text.length + piece.length, device, word });
    text += piece;
  };
  for (const [word, value] of given(options)) put(`${word}=${encode(value, "&")}&`, undefined, word);
  // Only what is listed, without the implied devices.
  put("device=none");
  for (const { key, kind, options: own } of devices) {
    put(`&device=${kind}`, key);
    for (const [word, value] of given(own)) put(`,${word}=${encode(value, "&,")}`, key, word);
  }
  return { text, fields };
}

function given(options: OptionTexts): [word: string, value: string][] {
  return Object.entries(options).filter(([, value]) => value !== "");
}

function textsOf(owner: object, table: object): OptionTexts {
  const values = owner as Record<string, unknown>;
  return Object.fromEntries(
    entries(table).map(([key, { word, type }]) => {
      const value = values[key];
      return [word, value === undefined ? "" : type.format(value)];
    }),
  );
}
