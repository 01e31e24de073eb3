/** Times of a trace for reading: microseconds in, few figures out. */

/** A length of time: `12 µs`, `3.4 ms`, `1.25 s`. */
export function formatDuration(microseconds: number): string {
  if (microseconds < 1) return "< 1 µs";
  if (microseconds < 1000) return `${Math.round(microseconds)} µs`;
  if (microseconds < 1_000_000) return `${figures(microseconds / 1000)} ms`;
  return `${figures(microseconds / 1_000_000)} s`;
}

/** A moment of a trace, from its beginning: `12.345678` seconds, always six places, so that columns stand still. */
export function formatMoment(microseconds: number): string {
  return (microseconds / 1_000_000).toFixed(6);
}

function figures(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
