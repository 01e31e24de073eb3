import ts from "typescript";
import type { Plugin } from "vite";

/**
 * Takes the calls of observers out of the sources: `this.observer?.(…)` as a statement, and methods that do nothing but
 * tell an observer. What is left is the core as it would be if nobody had ever wanted to watch it.
 */
export function withoutObserver(): Plugin & { removed: () => number } {
  let removed = 0;
  return {
    name: "without-observer",
    enforce: "pre",
    transform(code, id) {
      if (!/\/src\/virtio\/.*\.ts$/.test(id)) return undefined;
      const source = ts.createSourceFile(id, code, ts.ScriptTarget.ESNext, true);
      const ranges: [start: number, end: number][] = [];
      const visit = (node: ts.Node): void => {
        if (isObservation(node)) ranges.push([node.getStart(), node.end]);
        else ts.forEachChild(node, visit);
      };
      visit(source);
      removed += ranges.length;
      // Blanks, so that what is left stays where it was.
      return ranges.reduceRight(
        (text, [start, end]) =>
          `${text.slice(0, start)};${text.slice(start, end).replace(/[^\n]/g, " ")}${text.slice(end)}`,
        code,
      );
    },
    removed: () => removed,
  };
}

/** `….observer?.(…);` or the call of a method named for it: `this.#observe(…);` */
function isObservation(node: ts.Node): boolean {
  if (!ts.isExpressionStatement(node) || !ts.isCallExpression(node.expression)) return false;
  const called = node.expression.expression;
  return ts.isPropertyAccessExpression(called) && ["observer", "#observe"].includes(called.name.text);
}
