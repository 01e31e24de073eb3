/**
 * Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, times in microseconds. A file is a section's header, its
 * interfaces, then packets, and statistics at the end: one block after the other.
 */
export interface CapturedInterface {
  name: string;
  description: string;
  /** MAC address, as in `02:00:5e:10:00:01`; absent when nobody knows. */
  mac?: string;
  /** Mbit/s; absent when nobody knows. */
  speed?: number;
}

export interface InterfaceStatistics {
  /** Milliseconds since 1970. */
  start: number;
  end: number;
  /** Packets that crossed the interface. */
  received: number;
  /** Those of them that are not in the file. */
  dropped: number;
}

/** "in" is towards the guest. */
export type Direction = "in" | "out";

const Block = { SECTION: 0x0a0d0d0a, INTERFACE: 1, STATISTICS: 5, PACKET: 6 } as const;
const BYTE_ORDER = 0x1a2b3c4d;
const ETHERNET_LINK = 1;
const END_OF_OPTIONS = 0;

/** The header of a section whose length nobody needs to know. */
export function sectionBlock(application: string): Uint8Array<ArrayBuffer> {
  const fixed = new Uint8Array(16).fill(0xff, 8);
  const view = new DataView(fixed.buffer);
  view.setUint32(0, BYTE_ORDER, true);
  view.setUint16(4, 1, true);
  const { USER_APPLICATION } = SectionOption;
  return block(Block.SECTION, fixed, [option(USER_APPLICATION, text(application))]);
}

/** Interfaces are numbered as their blocks come, from 0. */
export function interfaceBlock({
  name,
  description,
  mac,
  speed,
}: CapturedInterface): Uint8Array<ArrayBuffer> {
  const fixed = new Uint8Array(8);
  fixed[0] = ETHERNET_LINK;
  return block(Block.INTERFACE, fixed, [
    option(InterfaceOption.NAME, text(name)),
    option(InterfaceOption.DESCRIPTION, text(description)),
    ...(mac === undefined ? [] : [option(InterfaceOption.MAC, macBytes(mac))]),
    ...(speed === undefined ? [] : [option(InterfaceOption.SPEED, long(speed * 1e6))]),
    option(InterfaceOption.RESOLUTION, Uint8Array.of(6)),
  ]);
}

/**
 * An Ethernet frame, whole, or its beginning.
 *
 * @param time milliseconds since 1970, with fractions
 * @param original how long it was, bytes
 */
export function packetBlock(
  face: number,
  time: number,
  direction: Direction,
  frame: Uint8Array,
  original = frame.length,
): Uint8Array<ArrayBuffer> {
  const padded = (frame.length + 3) & ~3;
  const length = 28 + padded + 12 + 4;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Block.PACKET, true);
  view.setUint32(4, length, true);
  view.setUint32(8, face, true);
  setTime(view, 12, time);
  view.setUint32(20, frame.length, true);
  view.setUint32(24, original, true);
  bytes.set(frame, 28);
  // epb_flags, which say the direction, and the end of the options (of zeroes).
  view.setUint16(28 + padded, PACKET_FLAGS, true);
  view.setUint16(30 + padded, 4, true);
  view.setUint32(32 + padded, direction === "in" ? INBOUND : OUTBOUND, true);
  view.setUint32(length - 4, length, true);
  return bytes;
}

export function statisticsBlock(face: number, statistics: InterfaceStatistics): Uint8Array<ArrayBuffer> {
  const { start, end, received, dropped } = statistics;
  const fixed = new Uint8Array(12);
  const view = new DataView(fixed.buffer);
  view.setUint32(0, face, true);
  setTime(view, 4, end);
  return block(Block.STATISTICS, fixed, [
    option(StatisticsOption.START, timeBytes(start)),
    option(StatisticsOption.END, timeBytes(end)),
    option(StatisticsOption.RECEIVED, long(received)),
    option(StatisticsOption.SYSTEM_DROPPED, long(dropped)),
    option(StatisticsOption.DELIVERED, long(received - dropped)),
  ]);
}

const SectionOption = { USER_APPLICATION: 4 } as const;
const InterfaceOption = { NAME: 2, DESCRIPTION: 3, MAC: 6, SPEED: 8, RESOLUTION: 9 } as const;
const StatisticsOption = { START: 2, END: 3, RECEIVED: 4, SYSTEM_DROPPED: 7, DELIVERED: 8 } as const;
const PACKET_FLAGS = 2;
const INBOUND = 1;
const OUTBOUND = 2;

function block(type: number, fixed: Uint8Array, options: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const parts = [fixed, ...options, option(END_OF_OPTIONS, new Uint8Array())];
  const length = 12 + parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  let at = 8;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(length - 4, length, true);
  return bytes;
}

/** Padded to a multiple of 4 bytes, which its length does not say. */
function option(code: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + ((value.length + 3) & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  bytes.set(value, 4);
  return bytes;
}

/** The two halves of a time, the higher one first. */
function setTime(view: DataView, at: number, time: number): void {
  const microseconds = Math.round(time * 1000);
  view.setUint32(at, Math.floor(microseconds / 2 ** 32), true);
  view.setUint32(at + 4, microseconds >>> 0, true);
}

function timeBytes(time: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setTime(new DataView(bytes.buffer), 0, time);
  return bytes;
}

function long(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function macBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(":"), (byte) => parseInt(byte, 16));
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value).subarray(0, 0xffff);
}
