/** A name and what people also call it. */
export interface Candidate {
  name: string;
  akin?: readonly string[];
}

/**
 * The candidate that `text` was probably meant to be, or undefined when none is near: an equal name in another case,
 * one of its other names, or the one with the fewest slips of typing, at most a third of the letters.
 */
export function closest(text: string, candidates: Iterable<Candidate>): string | undefined {
  const wanted = text.toLowerCase();
  // Nothing as long as this is a slip of typing, and the distance costs the product of the lengths.
  if (wanted === "" || wanted.length > 40) return undefined;
  let best: string | undefined;
  let fewest = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const { name, akin = [] } of candidates) {
    for (const known of [name, ...akin]) {
      const slips = distance(wanted, known.toLowerCase());
      // Something of what was written must be left, or every single letter would be some other.
      if (slips < fewest && slips < wanted.length) [best, fewest] = [name, slips];
    }
  }
  return best;
}

/** Letters to insert, remove, replace or swap with their neighbour (the optimal string alignment distance). */
function distance(a: string, b: string): number {
  let previous: number[] = [];
  let current = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = current[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? previous[j - 2]! + 1 : Infinity;
      next[j] = Math.min(replaced, swapped, current[j]! + 1, next[j - 1]! + 1);
    }
    [previous, current] = [current, next];
  }
  return current[b.length]!;
}
