import { addressText } from "../../net/address.ts";
import { DnsCode, DnsType, readName } from "../../net/dns.ts";
import { type DecodedLayer, flags, hex, LayerReader, named, type Shown, sizeShown } from "./layer.ts";

/** Questions and records that are shown. */
const MOST_RECORDS = 32;

const TYPES: Readonly<Record<number, string>> = {
  2: "NS",
  5: "CNAME",
  15: "MX",
  16: "TXT",
  33: "SRV",
  65: "HTTPS",
  ...Object.fromEntries(Object.entries(DnsType).map(([name, type]) => [type, name])),
};

const CODES: Readonly<Record<number, string>> = {
  [DnsCode.OK]: "no error",
  [DnsCode.FORMAT]: "format error",
  [DnsCode.FAILURE]: "the server failed",
  [DnsCode.NO_NAME]: "no such name",
  [DnsCode.NOT_IMPLEMENTED]: "not implemented",
  [DnsCode.REFUSED]: "refused",
};

const BITS = flags([
  [0x8000, "answer"],
  [0x0400, "authoritative"],
  [0x0200, "cut short"],
  [0x0100, "recursion desired"],
  [0x0080, "recursion available"],
]);

/** A message from `at` on (RFC 1035). */
export function decodeDns(bytes: Uint8Array, at: number, end: number): DecodedLayer[] {
  const reader = new LayerReader("DNS", bytes, at, end);
  reader.number("id", 2, (id) => hex(id, 4));
  reader.number("flags", 2, (value) => ({
    value: hex(value, 4),
    meaning: `${(BITS(value) as { meaning: string }).meaning}; ${CODES[value & 15] ?? `code ${value & 15}`}`,
  }));
  const questions = reader.number("questions", 2);
  const answers = reader.number("answers", 2);
  reader.number("authorities", 2);
  if (reader.number("additional records", 2) === undefined) return [reader.layer];
  const message = bytes.subarray(at, Math.min(end, bytes.length));
  let left = MOST_RECORDS;
  for (let i = 0; i < questions! && left > 0; i++, left--)
    if (!decodeQuestion(reader, message, at)) return [reader.layer];
  for (let i = 0; i < answers! && left > 0; i++, left--)
    if (!decodeRecord(reader, message, at)) return [reader.layer];
  reader.rest("more", sizeShown);
  return [reader.layer];
}

function decodeQuestion(reader: LayerReader, message: Uint8Array, start: number): boolean {
  const name = readName(message, reader.at - start);
  if (!name) {
    reader.rest("question", sizeShown);
    return false;
  }
  const from = reader.at - start;
  reader.raw("question", name.end - from, () => name.text || ".");
  reader.number("type", 2, named(TYPES));
  return reader.number("class", 2, named({ 1: "internet" })) !== undefined;
}

function decodeRecord(reader: LayerReader, message: Uint8Array, start: number): boolean {
  const name = readName(message, reader.at - start);
  if (!name) {
    reader.rest("record", sizeShown);
    return false;
  }
  reader.raw("name", name.end - (reader.at - start), () => name.text || ".");
  const type = reader.number("type", 2, named(TYPES));
  reader.number("class", 2, named({ 1: "internet" }));
  reader.number("time to live", 4, (time) => `${time} seconds`);
  const length = reader.number("data length", 2);
  return length !== undefined && reader.raw("data", length, (data) => dataShown(type, data)) !== undefined;
}

function dataShown(type: number | undefined, data: Uint8Array): Shown {
  const isAddress =
    (type === DnsType.A && data.length === 4) || (type === DnsType.AAAA && data.length === 16);
  return isAddress ? addressText(data) : sizeShown(data);
}
