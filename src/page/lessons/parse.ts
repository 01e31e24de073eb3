/**
 * Reads a lesson's file. `marked` finds headings and fenced blocks; what stands in the blocks is lines of `key: value`. Whatever
 * is not understood is a sentence with file and line, never a lesson that silently waits for nothing.
 */
import { marked, type Token } from "marked";
import { parseConfig } from "../../config/grammar.ts";
import type { Lesson, LessonPart, LessonStep, Wait } from "./format.ts";
import { Lines, readNumber, type Line, type Problems } from "./lines.ts";
import { readView, readWait } from "./parse-wait.ts";

/** A file is read up to that many characters. */
const MOST_TEXT = 256 * 1024;
const BLOCKS = ["wait", "show", "run", "machine", "open"];

export interface ParsedLesson {
  /** Undefined when there are problems. */
  lesson: Lesson | undefined;
  /** Plain sentences, `file:line: …`. */
  problems: string[];
}

/**
 * @param file its name, as in `driver.md`
 * @param tabs the inspector's views that `show` and `wait` may name
 */
export function parseLesson(file: string, text: string, tabs: readonly string[]): ParsedLesson {
  const found: { line: number; sentence: string }[] = [];
  const problems: Problems = (line, sentence) => void found.push({ line, sentence });
  const lesson = read(file, text.slice(0, MOST_TEXT).replaceAll("\r\n", "\n"), tabs, problems);
  if (text.length > MOST_TEXT) problems(1, `the file is longer than ${MOST_TEXT} characters`);
  return {
    lesson: found.length === 0 ? lesson : undefined,
    problems: found.map(({ line, sentence }) => `${file}:${line}: ${sentence}.`),
  };
}

function read(file: string, text: string, tabs: readonly string[], problems: Problems): Lesson {
  const name = file.replace(/\.md$/, "");
  if (!/^[a-z0-9][a-z0-9-]*\.md$/.test(file))
    problems(1, "a lesson's file is named with small letters, digits and hyphens, and ends in .md");
  const { front, body, bodyLine } = split(text, problems);
  const title = front.text("title", true) ?? "";
  const summary = front.text("summary", true) ?? "";
  const order = front.number("order", true) ?? 0;
  const machine = config(front.take("machine"), problems) ?? "";
  front.end("the front matter");

  const steps: LessonStep[] = [];
  let line = bodyLine;
  for (const token of marked.lexer(body)) {
    if (token.type === "heading" && token.depth === 2)
      steps.push({ title: token.text as string, line, parts: [], waits: [], show: undefined });
    else if (token.type === "heading" && token.depth < 2)
      problems(
        line,
        "a lesson's title stands in the front matter; steps are headings of the second level (##)",
      );
    else if (steps.length > 0) readToken(token, line, steps.at(-1)!, tabs, problems);
    else if (token.type !== "space")
      problems(line, "text before the first step; what a lesson is about stands in its summary");
    line += token.raw.split("\n").length - 1;
  }
  if (steps.length === 0)
    problems(bodyLine, "the lesson has no steps, that is headings of the second level (##)");
  for (const step of steps) {
    complete(step);
    for (const part of step.parts)
      if (part.type === "open" && part.step !== undefined && part.step >= steps.length)
        problems(step.line, `a link of this step is to step ${part.step + 1} of ${steps.length}`);
  }
  return { name, title, summary, order, machine, steps };
}

/** Front matter between two lines `---`, and what is below. */
function split(text: string, problems: Problems): { front: Lines; body: string; bodyLine: number } {
  const match = /^---\n([^]*?)\n---(?:\n|$)/.exec(text);
  if (!match) {
    problems(1, "the file does not begin with front matter: a line ---, lines of key: value, a line ---");
    return { front: new Lines("", 1, () => undefined), body: text, bodyLine: 1 };
  }
  const body = text.slice(match[0].length);
  return {
    front: new Lines(match[1]!, 2, problems),
    body,
    bodyLine: match[0].split("\n").length - (match[0].endsWith("\n") ? 0 : -1),
  };
}

function readToken(
  token: Token,
  line: number,
  step: LessonStep,
  tabs: readonly string[],
  problems: Problems,
): void {
  const block = token.type === "code" ? ((token as { lang?: string }).lang ?? "") : "";
  if (!BLOCKS.includes(block)) {
    if (token.type !== "space") addText(step, token.raw);
    return;
  }
  const text = (token as { text?: string }).text ?? "";
  const first = line + 1;
  if (block === "run") {
    const commands = text.split("\n").filter((command) => command.trim() !== "");
    if (commands.length === 0) problems(line, "a run block has the command to type");
    step.parts.push({ type: "run", commands });
    return;
  }
  const lines = new Lines(text, first, problems);
  if (block === "wait") {
    const wait = readWait(lines, line, tabs, problems);
    if (wait) step.waits.push(wait);
  } else if (block === "show") {
    if (step.show) problems(line, "a step has one show block");
    step.show = readView(lines, tabs, problems);
  } else {
    const value = lines.take("machine");
    if (!value) problems(line, `a block of this kind has a line "machine: CONFIGURATION"`);
    const text = config(value, problems) ?? "";
    if (block === "machine") step.parts.push({ type: "machine", config: text });
    else step.parts.push({ type: "open", config: text, step: readStep(lines, problems) });
  }
  lines.end(`a ${block} block`);
}

/** Steps are counted from 1 where people read of them. Which there are is known at the file's end. */
function readStep(lines: Lines, problems: Problems): number | undefined {
  const line = lines.take("step");
  const number = line && readNumber(line.value);
  if (line && !number) problems(line.line, `"${line.value}" is not the number of a step; the first is 1`);
  return number ? number - 1 : undefined;
}

function addText(step: LessonStep, markdown: string): void {
  const last = step.parts.at(-1);
  if (last?.type === "text") last.markdown += `\n\n${markdown.trim()}`;
  else step.parts.push({ type: "text", markdown: markdown.trim() });
}

/** What a step that does not say what it waits for waits for: its command, its machine, or the person. */
function complete(step: LessonStep): void {
  if (step.waits.length > 0) return;
  const runs = step.parts.filter((part): part is LessonPart & { type: "run" } => part.type === "run");
  for (const { commands } of runs) step.waits.push(commandWait(commands.at(-1)!));
  const machine = step.parts.find((part) => part.type === "machine");
  if (machine?.type === "machine")
    step.waits.push({ for: "machine", config: machine.config, say: "The machine runs." });
  if (step.waits.length === 0) step.waits.push({ for: "next", say: "Read on when you are ready." });
}

function commandWait(command: string): Wait {
  return { for: "command", command, say: `You run ${command}` };
}

/** A machine's text that parses; otherwise a problem. */
function config(line: Line | undefined, problems: Problems): string | undefined {
  if (!line) return undefined;
  try {
    parseConfig(line.value);
    return line.value;
  } catch (error) {
    problems(line.line, `the machine is none: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
