/** Which rows of a long list are drawn: those in sight, and some more on both sides. */
export interface RowRange {
  first: number;
  /** Without it. */
  end: number;
}

/** Rows beyond what is in sight, so that a quick scroll shows no gap. */
const MARGIN = 12;

/** All lengths in CSS pixels; rows have one height. */
export function rowsInSight(scrollTop: number, height: number, rowHeight: number, count: number): RowRange {
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowHeight) - MARGIN));
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + MARGIN);
  return { first, end: Math.max(first, end) };
}

/** Where to scroll so that a row is in sight: as it is when it is already; to its middle when it was far from that. */
export function scrollTo(row: number, scrollTop: number, height: number, rowHeight: number): number {
  const top = row * rowHeight;
  const isFar = top < scrollTop - height || top > scrollTop + 2 * height;
  if (isFar) return Math.max(0, top - (height - rowHeight) / 2);
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + height) return top + rowHeight - height;
  return scrollTop;
}
