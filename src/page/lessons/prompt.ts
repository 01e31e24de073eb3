/** What the terminal's text says of commands that were run: there is no other sign of them that every guest gives. */

/** `root@ringside:~# `, as both of our guests have it. */
const PROMPT = /^\S+@\S+:\S*[#$](?: |$)/;

/**
 * How often a command was run: it stands at a prompt, or alone in a line (it was typed early, or a message of the kernel came
 * between), and a prompt is below it. In a narrow terminal it goes over several lines.
 */
export function finishedRuns(screen: string, command: string): number {
  const wanted = bare(command);
  const lines = screen.split("\n");
  let begun: "at a prompt" | "alone" | undefined;
  let finished = 0;
  for (let at = 0; at < lines.length; at++) {
    const prompt = PROMPT.exec(lines[at]!)?.[0];
    const length = linesThatSpell(wanted, lines, at, prompt?.length ?? 0);
    if (length > 0) {
      // What was typed early is printed again when its turn comes.
      if (prompt !== undefined && begun === "at a prompt") finished++;
      if (prompt !== undefined) begun = "at a prompt";
      else begun ??= "alone";
      at += length - 1;
    } else if (prompt !== undefined && begun !== undefined) {
      finished++;
      begun = undefined;
    }
  }
  return finished;
}

/** How many lines, from one on, are the command and nothing else: the guest's shell breaks a long one itself. 0: they are not. */
function linesThatSpell(wanted: string, lines: readonly string[], from: number, skip: number): number {
  let text = bare(lines[from]!.slice(skip));
  let to = from + 1;
  while (text !== "" && text !== wanted && wanted.startsWith(text) && to < lines.length)
    text += bare(lines[to++]!);
  return text === wanted ? to - from : 0;
}

export function occurrences(screen: string, text: string): number {
  return screen.split(text).length - 1;
}

/** Without spaces: those at a line's end are not in the terminal's text. */
function bare(text: string): string {
  return text.replace(/\s+/g, "");
}
