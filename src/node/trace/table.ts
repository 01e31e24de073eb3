/** Rows of text as columns, the first to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** A count with its thousands apart. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-GB");
}

/** Text of a file, for a terminal: without control characters, which could be commands to it. */
export function plain(text: string): string {
  return text.replace(/\p{C}/gu, "\ufffd");
}
