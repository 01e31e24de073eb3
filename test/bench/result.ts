import { type Sample, sampleOf } from "./statistics.ts";

/** s, ms: by the clock. cpu s: seconds of processor time. M: million guest instructions. /s: a second. MB: 10^6 bytes. MB/s, MiB. Empty: a count. */
export type Unit = "s" | "ms" | "cpu s" | "M" | "/s" | "MB" | "MB/s" | "MiB" | "";

/** One line of the table. */
export interface Row {
  part: string;
  name: string;
  unit: Unit;
  ours: Sample;
  /** What it is compared with; none for a figure that stands by itself. */
  peer?: Sample;
  peerName?: string;
  /** Ours by the peer's, of the medians. */
  ratio?: number;
  /** What is wanted, at most: of the ratio, or of a figure that stands by itself. */
  target?: number;
  met?: boolean;
}

export interface Comparison {
  part: string;
  name: string;
  unit: Unit;
  ours: readonly number[];
  peer: readonly number[];
  peerName: string;
  target?: number;
}

export function compare({ part, name, unit, ours, peer, peerName, target }: Comparison): Row {
  const [mine, theirs] = [sampleOf(ours), sampleOf(peer)];
  const ratio = mine.median / theirs.median;
  const row: Row = { part, name, unit, ours: mine, peer: theirs, peerName, ratio };
  return target === undefined ? row : { ...row, target, met: ratio <= target };
}

/** As `compare`, for rates: the ratio is that of the times, so that below 1 is faster here, too. */
export function compareRates(comparison: Comparison): Row {
  const { target, ...rest } = comparison;
  const row = compare(rest);
  const ratio = row.peer!.median / row.ours.median;
  return target === undefined ? { ...row, ratio } : { ...row, ratio, target, met: ratio <= target };
}

export function single(
  part: string,
  name: string,
  unit: Unit,
  values: readonly number[],
  target?: number,
): Row {
  const row: Row = { part, name, unit, ours: sampleOf(values) };
  return target === undefined ? row : { ...row, target, met: row.ours.median <= target };
}

export const seconds = (costs: readonly { milliseconds: number }[]): number[] =>
  costs.map(({ milliseconds }) => milliseconds / 1000);

export const processorSeconds = (costs: readonly { processor: number }[]): number[] =>
  costs.map(({ processor }) => processor / 1000);

export const millions = (costs: readonly { instructions: number }[]): number[] =>
  costs.map(({ instructions }) => instructions / 1e6);
