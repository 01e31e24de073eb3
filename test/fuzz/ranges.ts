/** Sorts ranges, start and end in turn, and joins those that touch or overlap. */
export function union(ranges: readonly number[]): number[] {
  if (ranges.length <= 2) return [...ranges];
  const order = new Float64Array(ranges.length / 2);
  // Start and end in one number each, to sort without objects: both are below 2^20.
  for (let i = 0; i < order.length; i++) order[i] = ranges[2 * i]! * 2 ** 20 + ranges[2 * i + 1]!;
  order.sort();
  const joined: number[] = [];
  for (const both of order) {
    const start = Math.floor(both / 2 ** 20);
    const end = both % 2 ** 20;
    const last = joined.length - 1;
    if (last >= 0 && start <= joined[last]!) joined[last] = Math.max(joined[last]!, end);
    else joined.push(start, end);
  }
  return joined;
}

/** The first range of `inner` that is not inside one of `outer`, as an index into it; -1 when there is none. Both joined. */
export function firstOutside(inner: readonly number[], outer: readonly number[]): number {
  let at = 0;
  for (let i = 0; i < inner.length; i += 2) {
    while (at < outer.length && outer[at + 1]! < inner[i + 1]!) at += 2;
    if (at >= outer.length || inner[i]! < outer[at]!) return i;
  }
  return -1;
}
