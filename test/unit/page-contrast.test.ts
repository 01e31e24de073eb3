/** The page's colours, from its tokens: what is read or has a meaning stands out from what it stands on (WCAG 2.2, AA). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

/** WCAG 2.2, 1.4.3: words. */
const WORDS = 4.5;
/** 1.4.11: the edges of controls, and signs that mean something. */
const SIGNS = 3;

const css = readFileSync(new URL("../../src/page/styles/tokens.css", import.meta.url), "utf8");
const tokens = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)].map(
    ([, name, light, dark]) => [name!, { light: light!, dark: dark! }],
  ),
);
const kinds = [...tokens.keys()].filter((name) => name.startsWith("kind-"));

const PAIRS: readonly [fronts: readonly string[], grounds: readonly string[], least: number][] = [
  [["ink", "ink-soft"], ["ground", "surface", "raised", "stage"], WORDS],
  [["error"], ["ground", "surface", "raised"], WORDS],
  [kinds, ["surface", "raised"], WORDS],
  [["accent-ink"], ["accent"], WORDS],
  [["lit", "warning", "error", "line-strong"], ["surface", "raised"], SIGNS],
  [["focus"], ["ground", "surface", "raised", "stage"], SIGNS],
];

describe("the page's colours", () => {
  for (const theme of ["light", "dark"] as const) {
    it(`stand out, ${theme}`, () => {
      const poor = PAIRS.flatMap(([fronts, grounds, least]) =>
        fronts.flatMap((front) =>
          grounds
            .map((ground) => ({ front, ground, contrast: contrast(front, ground, theme), least }))
            .filter((pair) => pair.contrast < pair.least),
        ),
      );
      assert.deepEqual(poor, []);
    });
  }

  it("are known for every kind of device", () => {
    assert.deepEqual(kinds.sort(), ["kind-blk", "kind-console", "kind-net", "kind-rng"]);
  });
});

function contrast(front: string, ground: string, theme: "light" | "dark"): number {
  const [lighter, darker] = [front, ground]
    .map((name) => luminance(tokens.get(name)![theme]))
    .sort((a, b) => b - a) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

/** Relative luminance as WCAG defines it, of a colour as #rrggbb. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
