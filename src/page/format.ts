/** Numbers as the page shows them. */

const KiB = 1024;
const MiB = 1024 ** 2;

/** Bytes for reading, not for calculating: `7.6 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < KiB) return `${bytes} B`;
  if (bytes < MiB) return `${Math.round(bytes / KiB)} KiB`;
  const mebibytes = bytes / MiB;
  if (mebibytes >= KiB) return `${trim(mebibytes / KiB)} GiB`;
  return `${mebibytes >= 100 ? Math.round(mebibytes) : trim(mebibytes)} MiB`;
}

function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

/** A count with a unit of thousands: `1,234`, `263 M`. */
export function formatCount(count: number): string {
  if (count < 100_000) return count.toLocaleString("en");
  if (count < 10_000_000) return `${Math.round(count / 1000).toLocaleString("en")} k`;
  return `${Math.round(count / 1_000_000).toLocaleString("en")} M`;
}
