/** Milliseconds since 1970 with fractions, by a clock that nobody sets while it runs. */
export function captureTime(): number {
  return performance.timeOrigin + performance.now();
}
