/** How much of the window the inspector takes: in percent, beside the terminal and below it. */
export interface PaneSizes {
  beside: number;
  below: number;
}

export const SMALLEST = 20;
export const LARGEST = 80;
const DEFAULTS: PaneSizes = { beside: 62, below: 60 };
const STEP = 2;
const KEY = "ringside.inspector";

/** What a key on the separator makes of a size; undefined: it is no key of the separator's. */
export function sizeByKey(key: string, size: number, way: keyof PaneSizes): number | undefined {
  const [larger, smaller] = way === "beside" ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  if (key === larger) return boundedSize(size + STEP);
  if (key === smaller) return boundedSize(size - STEP);
  if (key === "Home") return SMALLEST;
  return key === "End" ? LARGEST : undefined;
}

/** The size at which the separator is where the pointer is; lengths in CSS pixels. */
export function sizeByPointer(position: number, end: number): number {
  return boundedSize(Math.round((100 * (end - position)) / Math.max(1, end)));
}

/** As the person left it in this browser. */
export function readSizes(): PaneSizes {
  try {
    const value = JSON.parse(localStorage.getItem(KEY) ?? "null") as Partial<PaneSizes> | null;
    return {
      beside: boundedSize(value?.beside ?? DEFAULTS.beside),
      below: boundedSize(value?.below ?? DEFAULTS.below),
    };
  } catch {
    return DEFAULTS;
  }
}

export function keepSizes(sizes: PaneSizes): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(sizes));
  } catch {
    // Storage is blocked: the size holds for this visit.
  }
}

function boundedSize(size: number): number {
  return Number.isFinite(size) ? Math.min(LARGEST, Math.max(SMALLEST, size)) : DEFAULTS.beside;
}
