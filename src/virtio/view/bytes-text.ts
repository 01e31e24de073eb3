const UNITS = ["KiB", "MiB", "GiB", "TiB"];

/** A number of bytes for people: `512 bytes`, `1.5 MiB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  let value = bytes / 1024;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value.toFixed(1).replace(/\.0$/, "")} ${UNITS[unit]!}`;
}
