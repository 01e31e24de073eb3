import type { Row, Unit } from "./result.ts";
import type { Sample } from "./statistics.ts";

const HEADINGS = ["", "ours", "(min–max)", "peer", "(min–max)", "ratio", "target", ""];

/** The rows of one part as text: medians, least and most of the rounds, ratio and target. */
export function table(title: string, rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    ...figures(row.ours, row.unit),
    ...(row.peer ? figures(row.peer, row.unit) : ["", ""]),
    row.ratio === undefined ? "" : row.ratio.toFixed(row.ratio < 0.1 ? 3 : 2),
    row.target === undefined ? "" : `≤ ${Number(row.target.toFixed(3))}`,
    row.met === undefined ? "" : row.met ? "met" : "MISSED",
  ]);
  const all = [HEADINGS, ...cells];
  const widths = HEADINGS.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  const lines = all.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
  return [title, ...lines].join("\n");
}

function figures(sample: Sample, unit: Unit): [string, string] {
  const text = `${figure(sample.median)}${unit && ` ${unit}`}`;
  return [text, sample.values.length > 1 ? `${figure(sample.least)}–${figure(sample.most)}` : ""];
}

/** Three figures or so: more would be noise. */
function figure(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value < 10 ? (value < 0.1 ? 3 : 2) : value < 100 ? 1 : 0);
}
