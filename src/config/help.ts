import { defaultMachine, STORES, type Platform } from "./defaults.ts";
import { formatConfig } from "./grammar.ts";
import { COMMON_OPTIONS, DEVICE_KINDS, entries, kindOf, MACHINE_WORDS, type Option } from "./options.ts";
import type { DeviceConfig, MachineConfig } from "./types.ts";
import { WIRES } from "./wire.ts";

/** The grammar for a person, made from its tables; plain text of at most 110 columns. */
export function describeGrammar(platform: Platform): string {
  const kinds = Object.keys(DEVICE_KINDS) as DeviceConfig["device"][];
  return [
    'A machine is one text, the same in a link after the # and on the command line: words joined by "&".',
    "",
    ...describeOptions(MACHINE_WORDS, platform),
    row("  device=KIND,OPTION=VALUE,…", "a device; once for each, in the order on the bus"),
    row("  device=none", "no console, rng or net that is not named"),
    "",
    "Kinds of device, and their options:",
    ...kinds.flatMap((kind) => [
      row(`  ${kind}`, kindOf(kind).help),
      ...describeOptions(own(kindOf(kind).options), platform, "    "),
    ]),
    row("  all", "what every kind has"),
    ...describeOptions(COMMON_OPTIONS, platform, "    "),
    "",
    "What a net device is plugged into:",
    ...Object.entries(WIRES).map(([wire, help]) => row(`  ${wire}`, help)),
    "",
    "Stores of a disk:",
    ...Object.entries(STORES).map(([store, { help }]) => row(`  ${store}`, help)),
    "",
    "In a value %XX is a byte: %26 for &, %25 for %, and %2C for a comma inside a device.",
    "Sizes are bytes, or take K, M, G or T for powers of 1024.",
    "",
    "Without any device the machine is:",
    ...defaultMachine(platform).devices.map((device) => `  ${spell(device, platform)}`),
    "Devices of your own take the place of the disk; console, rng and net stay unless you name your own.",
  ].join("\n");
}

/** A device as a word of its own. */
function spell(device: DeviceConfig, platform: Platform): string {
  const alone: MachineConfig = { ...defaultMachine(platform), devices: [device] };
  return formatConfig(alone, platform).replace(/^device=none&/, "");
}

/** Without what every device has. */
function own(table: object): object {
  const common = new Set(Object.keys(COMMON_OPTIONS));
  return Object.fromEntries(Object.entries(table).filter(([key]) => !common.has(key)));
}

function describeOptions(table: object, platform: Platform, indent = "  "): string[] {
  return entries(table).map(([, option]) => {
    const standard = standardHelp(option, platform);
    return row(
      `${indent}${option.word}=${option.type.syntax}`,
      standard === "" ? option.help : `${option.help} [${standard}]`,
    );
  });
}

function standardHelp(option: Option<object, unknown>, platform: Platform): string {
  if (option.standardHelp !== undefined) return option.standardHelp;
  const standard = option.standard({}, { platform, position: 0 });
  return standard === undefined ? "" : option.type.format(standard);
}

function row(left: string, right: string): string {
  return `${left.padEnd(30)} ${right}`;
}
