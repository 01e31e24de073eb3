/** Circles: entries stand clockwise from the top; lengths in the drawing's own units, its middle is the origin. */
import type { Run } from "./layout.ts";

export interface Band {
  inner: number;
  outer: number;
}

/** The drawing is as wide and as high as twice this: numbers stand around the outermost ring. */
export const HALF = 212;
/** From the outermost ring inwards; between them is room for the marks. */
export const BANDS: readonly Band[] = [
  { inner: 160, outer: 186 },
  { inner: 112, outer: 134 },
  { inner: 66, outer: 86 },
];
/** Beyond so many entries the lines between them would hide them. */
export const MOST_SEPARATED = 128;
const LARGE_SEPARATED = 32;
/** So many entries at most have their numbers around the drawing. */
const MOST_NUMBERS = 8;
/** From the outermost ring to their middle. */
const NUMBERS_OUT = 14;
/** From a mark to the middle of its number, along the ring. */
const BESIDE = 20;
/** A run is drawn at least so wide, whatever its part of the ring. */
const LEAST_WIDTH = 3;

/** Of the beginning of an entry, clockwise from the top; radians. */
export function angleOf(at: number, size: number): number {
  return (2 * Math.PI * at) / size;
}

/** Runs as one path. */
export function sectors(runs: readonly Run[], size: number, { inner, outer }: Band): string {
  return runs
    .map(({ from, count }) => {
      const least = LEAST_WIDTH / outer;
      const middle = angleOf(from + count / 2, size);
      const half = Math.max(least, angleOf(count, size)) / 2;
      return sector(middle - half, Math.min(middle + half, middle - half + 2 * Math.PI - 1e-3), inner, outer);
    })
    .join("");
}

/** A whole band. */
export function annulus({ inner, outer }: Band): string {
  return sector(0, 2 * Math.PI - 1e-4, inner, outer);
}

/** The lines between entries, as one path; of a large ring some, so that it can be seen how far round an entry is. */
export function separators(size: number, { inner, outer }: Band): string {
  const count = size > MOST_SEPARATED ? LARGE_SEPARATED : size;
  return Array.from({ length: count }, (_, at) => {
    const angle = angleOf(at, count);
    return `M${point(angle, inner)}L${point(angle, outer)}`;
  }).join("");
}

/** A triangle at an entry: outside of the band, pointing to it, or inside. */
export function triangle(at: number, size: number, { inner, outer }: Band, outside: boolean): string {
  const angle = angleOf(at + 0.5, size);
  const [tip, base] = outside ? [outer + 2, outer + 13] : [inner - 2, inner - 13];
  const half = 6 / base;
  return `M${point(angle, tip)}L${point(angle - half, base)}L${point(angle + half, base)}Z`;
}

/** Where the number of a mark stands: beside its triangle; outside clockwise and inside the other way, so that two are legible. */
export function markAt(at: number, size: number, { inner, outer }: Band, outside: boolean): [number, number] {
  const angle = angleOf(at + 0.5, size);
  const radius = outside ? outer + 8 : inner - 8;
  return polar(angle + (outside ? BESIDE : -BESIDE) / radius, radius);
}

/** Entries whose numbers stand around the drawing, and where: all of a small ring, of a large one eight. */
export function numbered(size: number): { at: number; x: number; y: number }[] {
  const count = Math.min(size, MOST_NUMBERS);
  return Array.from({ length: count }, (_, i) => {
    const at = Math.floor((i * size) / count);
    const [x, y] = polar(angleOf(at + 0.5, size), BANDS[0]!.outer + NUMBERS_OUT);
    return { at, x, y };
  });
}

/** From the middle of one entry's band to that of another, bent towards the middle of the rings. */
export function link(from: { at: number; band: Band }, to: { at: number; band: Band }, size: number): string {
  const start = polar(angleOf(from.at + 0.5, size), from.band.inner);
  const end = polar(angleOf(to.at + 0.5, size), to.band.inner);
  const bend = 0.45;
  const [x, y] = [((start[0] + end[0]) / 2) * bend, ((start[1] + end[1]) / 2) * bend];
  return `M${text(start)}Q${text([x, y])} ${text(end)}`;
}

/** Which band and entry a point belongs to; undefined: none. */
export function entryAt(x: number, y: number, size: number): { band: number; at: number } | undefined {
  const radius = Math.hypot(x, y);
  // Marks and gaps belong to the nearest ring: a finger is wider than a band.
  const distances = BANDS.map(({ inner, outer }) => Math.abs(radius - (inner + outer) / 2));
  const nearest = Math.min(...distances);
  if (nearest > 24) return undefined;
  const turn = (Math.atan2(x, -y) / (2 * Math.PI) + 1) % 1;
  return { band: distances.indexOf(nearest), at: Math.min(size - 1, Math.floor(turn * size)) };
}

function sector(from: number, to: number, inner: number, outer: number): string {
  const long = to - from > Math.PI ? 1 : 0;
  return (
    `M${point(from, outer)}A${outer} ${outer} 0 ${long} 1 ${point(to, outer)}` +
    `L${point(to, inner)}A${inner} ${inner} 0 ${long} 0 ${point(from, inner)}Z`
  );
}

function polar(angle: number, radius: number): [number, number] {
  return [Math.sin(angle) * radius, -Math.cos(angle) * radius];
}

function point(angle: number, radius: number): string {
  return text(polar(angle, radius));
}

function text([x, y]: readonly [number, number]): string {
  return `${x.toFixed(2)} ${y.toFixed(2)}`;
}
