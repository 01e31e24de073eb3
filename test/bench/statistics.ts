/** Several measurements of one thing. */
export interface Sample {
  median: number;
  least: number;
  most: number;
  values: number[];
}

/** @throws RangeError for no values */
export function sampleOf(values: readonly number[]): Sample {
  if (values.length === 0) throw new RangeError("no values");
  const sorted = [...values].sort((a, b) => a - b);
  return { median: median(sorted), least: sorted[0]!, most: sorted.at(-1)!, values: [...values] };
}

/** Whether a ratio could as well be one of the ratios that two identical machines had, round by round. */
export function withinNoise(ratio: number, one: readonly number[], other: readonly number[]): boolean {
  const ratios = sampleOf(one.flatMap((value, round) => [value / other[round]!, other[round]! / value]));
  return ratio <= ratios.most;
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
