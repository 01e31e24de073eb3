/** Where the entry point lies: guests search 0xF0000 to 0xFFFFF for it, in steps of 16. */
export const SMBIOS_ADDRESS = 0xf0000;

/** SMBIOS 3 tables (DSP0134 3.x) that say what this machine is: shown in the guest under /sys/class/dmi/id. */
export function smbiosTables(version: string): Uint8Array {
  const structures = [
    // 7.1, firmware: vendor, version, release date
    structure(
      0,
      0x00,
      // 7.1.1: characteristics not given; 7.1.2.1: ACPI; 7.1.2.2: a virtual machine
      [1, 2, 0, 0, 3, 0, ...[0x08, 0, 0, 0, 0, 0, 0, 0], 0x01, 0x10, ...[0, 0, 0xff, 0xff], 0, 0],
      ["Ringside", version, "01/01/2026"],
    ),
    // 7.2, system: manufacturer, product, version
    structure(
      1,
      0x01,
      [1, 2, 3, 0, ...new Array<number>(16).fill(0), 6, 0, 4],
      ["Ringside", "Ringside", version, "Virtual Machine"],
    ),
    // 7.4, chassis: manufacturer; type "other"
    structure(3, 0x03, [1, 1, 0, 0, 0, 3, 3, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0], ["Ringside"]),
    structure(127, 0x7f, [], []),
  ].flat();
  return Uint8Array.from([...entryPoint(structures.length), ...structures]);
}

const ENTRY_BYTES = 32; // 24, padded so that the table is aligned

/** 5.2.2, the 64-bit entry point. */
function entryPoint(tableBytes: number): number[] {
  const bytes = new Uint8Array(ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("_SM3_"));
  bytes[6] = 24;
  bytes[7] = 3; // version 3.0.0
  bytes[10] = 1;
  view.setUint32(12, tableBytes, true);
  view.setUint32(16, SMBIOS_ADDRESS + ENTRY_BYTES, true);
  bytes[5] = -bytes.subarray(0, 24).reduce((sum, byte) => sum + byte, 0) & 0xff;
  return [...bytes];
}

/** 6.1: header, formatted area, strings. */
function structure(type: number, handle: number, body: number[], strings: string[]): number[] {
  const text = strings.flatMap((string) => [...new TextEncoder().encode(string), 0]);
  return [type, 4 + body.length, handle, 0, ...body, ...(text.length > 0 ? text : [0]), 0];
}
