import { signal, type ReadonlySignal } from "@preact/signals";

/** A guest that the server has. */
export interface OfferedImage {
  name: string;
  title: string;
  description: string;
  /** What a first start fetches, at least. */
  downloadBytes: number;
  /** What its disk has in all; a machine fetches what it touches. */
  diskBytes?: number;
}

const images = signal<readonly OfferedImage[]>([]);
let asked = false;

/** The guests that the server has; empty until it has said so, and when it does not. */
export function offeredImages(): ReadonlySignal<readonly OfferedImage[]> {
  if (!asked) {
    asked = true;
    void fetchList().then(
      (list) => (images.value = list),
      // The page works without; another look may have more luck.
      () => (asked = false),
    );
  }
  return images;
}

async function fetchList(): Promise<OfferedImage[]> {
  const response = await fetch("images/index.json");
  if (!response.ok) return [];
  const list: unknown = await response.json();
  return Array.isArray(list) ? list.filter(isImage) : [];
}

function isImage(value: unknown): value is OfferedImage {
  const { name, title, description, downloadBytes, diskBytes } = (value ?? {}) as Partial<OfferedImage>;
  return (
    [name, title, description].every((text) => typeof text === "string") &&
    Number.isSafeInteger(downloadBytes) &&
    (diskBytes === undefined || Number.isSafeInteger(diskBytes))
  );
}
