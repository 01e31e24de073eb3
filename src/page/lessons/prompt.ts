/** What the terminal's text says of commands that were run: there is no other sign of them that every guest gives. */

/** `root@ringside:~# `, as both of our guests have it. */
const PROMPT = /^\S+@\S+:\S*[#$](?: |$)/;

/**
 * How often a command was run: it stands at a prompt, or alone in a line (it was typed early, or a message of the kernel came
 * between), and a prompt is below it.
 */
export function finishedRuns(screen: string, command: string): number {
  const wanted = spaced(command);
  let begun: "at a prompt" | "alone" | undefined;
  let finished = 0;
  for (const line of screen.split("\n")) {
    const prompt = PROMPT.exec(line)?.[0];
    if (spaced(line.slice(prompt?.length ?? 0)) === wanted) {
      // What was typed early is printed again when its turn comes.
      if (prompt !== undefined && begun === "at a prompt") finished++;
      if (prompt !== undefined) begun = "at a prompt";
      else begun ??= "alone";
    } else if (prompt !== undefined && begun !== undefined) {
      finished++;
      begun = undefined;
    }
  }
  return finished;
}

export function occurrences(screen: string, text: string): number {
  return screen.split(text).length - 1;
}

function spaced(text: string): string {
  return text.trim().replace(/\s+/g, " ");
}
