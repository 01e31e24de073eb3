/** DNS messages (RFC 1035), as far as a server needs them: one question, answers about it, EDNS (RFC 6891). */
import { get16, get32, set16, set32 } from "./bytes.ts";

export const DnsType = { A: 1, SOA: 6, PTR: 12, AAAA: 28, OPT: 41, ANY: 255 } as const;
export const DnsClass = { IN: 1, ANY: 255 } as const;
export const DnsCode = {
  OK: 0,
  FORMAT: 1,
  FAILURE: 2,
  NO_NAME: 3,
  NOT_IMPLEMENTED: 4,
  REFUSED: 5,
  BAD_VERSION: 16,
} as const;

export interface DnsQuery {
  id: number;
  opcode: number;
  recursionDesired: boolean;
  question: DnsQuestion | undefined;
  /** Of the OPT record, if there is one: the longest UDP answer that the client takes, and the version that it speaks. */
  edns: { size: number; version: number } | undefined;
}

export interface DnsQuestion {
  /** Without the last dot, as asked; bytes that are not letters, digits, hyphens or underscores as `\DDD`. */
  name: string;
  type: number;
  class: number;
  /** As it stood in the query, its name uncompressed: an answer repeats it. */
  bytes: Uint8Array;
}

export interface DnsAnswer {
  type: number;
  /** Seconds. */
  ttl: number;
  /** Of an address its bytes; of a name {@link encodeName}. */
  data: Uint8Array;
}

const HEADER = 12;
/** Bytes of a name in a message, and of what comes before a name's end (RFC 1035, 2.3.4). */
const LONGEST_NAME = 255;
/** Pointers in one name. A name has at most 127 labels, and a pointer without a label between is of no use. */
const MOST_POINTERS = 128;
/** Without EDNS (RFC 1035, 2.3.4). */
const PLAIN_SIZE = 512;

/**
 * A query. Undefined when there is nothing to answer to: no header, or an answer itself. Without a question when there is not exactly
 * one, or something in it is cut short.
 */
export function parseQuery(bytes: Uint8Array): DnsQuery | undefined {
  if (bytes.length < HEADER || bytes[2]! & 0x80) return undefined;
  const query: DnsQuery = {
    id: get16(bytes, 0),
    opcode: (bytes[2]! >> 3) & 15,
    recursionDesired: (bytes[2]! & 1) !== 0,
    question: undefined,
    edns: undefined,
  };
  const [questions, answers, authorities, additional] = [4, 6, 8, 10].map((at) => get16(bytes, at));
  if (questions !== 1 || answers !== 0 || authorities !== 0) return query;
  const name = readName(bytes, HEADER);
  if (!name || name.end + 4 > bytes.length) return query;
  let at = name.end + 4;
  for (let i = 0; i < additional!; i++) {
    const record = readName(bytes, at);
    if (!record || record.end + 10 > bytes.length) return query;
    const fields = record.end;
    at = fields + 10 + get16(bytes, fields + 8);
    if (at > bytes.length) return query;
    if (get16(bytes, fields) === DnsType.OPT)
      query.edns = { size: get16(bytes, fields + 2), version: (get32(bytes, fields + 4) >>> 16) & 0xff };
  }
  query.question = {
    name: name.text,
    type: get16(bytes, name.end),
    class: get16(bytes, name.end + 2),
    bytes: join(name.bytes, bytes.subarray(name.end, name.end + 4)),
  };
  return query;
}

/**
 * The name at `at`: its text, its bytes without compression, and where what follows it begins. Undefined when it is cut short, too
 * long, or its pointers lead nowhere: each has to point to before itself (RFC 1035, 4.1.4: "a prior occurrence").
 */
export function readName(
  bytes: Uint8Array,
  at: number,
): { text: string; bytes: Uint8Array; end: number } | undefined {
  const labels: Uint8Array[] = [];
  let length = 1;
  let end: number | undefined;
  let pointers = 0;
  for (;;) {
    const head = bytes[at];
    if (head === undefined) return undefined;
    if (head === 0) break;
    if (head >= 0xc0) {
      const next = bytes[at + 1];
      if (next === undefined || ++pointers > MOST_POINTERS) return undefined;
      const target = ((head & 0x3f) << 8) | next;
      if (target >= at) return undefined;
      end ??= at + 2;
      at = target;
      continue;
    }
    if (head >= 0x40 || at + 1 + head > bytes.length) return undefined;
    length += 1 + head;
    if (length > LONGEST_NAME) return undefined;
    labels.push(bytes.subarray(at, at + 1 + head));
    at += 1 + head;
  }
  return {
    text: labels.map(labelText).join("."),
    bytes: join(...labels, new Uint8Array(1)),
    end: end ?? at + 1,
  };
}

function labelText(label: Uint8Array): string {
  const text = String.fromCharCode(...label.subarray(1));
  return text.replace(/[^\w-]/g, (byte) => `\\${String(byte.charCodeAt(0)).padStart(3, "0")}`);
}

/** A name of at most 63 bytes a label, all ASCII, as a record's data. */
export function encodeName(name: string): Uint8Array {
  const parts = name.split(".").map((label) => new TextEncoder().encode(label));
  return join(...parts.flatMap((label) => [Uint8Array.of(label.length), label]), new Uint8Array(1));
}

/** What a server says to a query. */
export interface DnsResponse {
  /** Of {@link DnsCode}. */
  code: number;
  /** The server knows it itself. */
  authoritative: boolean;
  answers: readonly DnsAnswer[];
}

/**
 * The response as a message of at most `longest` bytes (of UDP: {@link responseSize}); answers that have no room are left out, and
 * the client is told to ask again over TCP.
 */
export function dnsResponse(query: DnsQuery, response: DnsResponse, longest: number): Uint8Array {
  const question = query.question?.bytes ?? new Uint8Array(0);
  const opt = query.edns ? optRecord(response.code) : new Uint8Array(0);
  const records: Uint8Array[] = [];
  let room = longest - HEADER - question.length - opt.length;
  for (const answer of response.answers) {
    const record = encodeRecord(answer);
    room -= record.length;
    if (room < 0) break;
    records.push(record);
  }
  const header = new Uint8Array(HEADER);
  const AUTHORITATIVE = 0x04;
  const TRUNCATED = 0x02;
  set16(header, 0, query.id);
  header[2] =
    0x80 |
    (query.opcode << 3) |
    (response.authoritative ? AUTHORITATIVE : 0) |
    (room < 0 ? TRUNCATED : 0) |
    (query.recursionDesired ? 1 : 0);
  header[3] = 0x80 | (response.code & 15);
  set16(header, 4, query.question ? 1 : 0);
  set16(header, 6, records.length);
  set16(header, 10, query.edns ? 1 : 0);
  return join(header, question, ...records, opt);
}

/** The longest answer over UDP that the client takes and that no path cuts. */
export function responseSize(query: DnsQuery): number {
  return Math.min(Math.max(query.edns?.size ?? PLAIN_SIZE, PLAIN_SIZE), EDNS_SIZE);
}

/** Of IPv6's smallest link, without headers. */
const EDNS_SIZE = 1232;

function optRecord(code: number): Uint8Array {
  const record = new Uint8Array(11);
  set16(record, 1, DnsType.OPT);
  set16(record, 3, EDNS_SIZE);
  record[5] = code >> 4;
  return record;
}

function encodeRecord({ type, ttl, data }: DnsAnswer): Uint8Array {
  const record = new Uint8Array(12 + data.length);
  // The question's name.
  set16(record, 0, 0xc000 | HEADER);
  set16(record, 2, type);
  set16(record, 4, DnsClass.IN);
  set32(record, 6, ttl);
  set16(record, 10, data.length);
  record.set(data, 12);
  return record;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
