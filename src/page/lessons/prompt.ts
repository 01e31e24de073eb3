/** What the terminal's text says of commands that were run: there is no other sign of them that every guest gives. */

/** `root@ringside:~# `, as both of our guests have it. */
const PROMPT = /^\S+@\S+:\S*[#$](?: |$)/;

/** How often a command stands at a prompt with another prompt below it. */
export function finishedRuns(screen: string, command: string): number {
  const wanted = spaced(command);
  let open = 0;
  let finished = 0;
  for (const line of screen.split("\n")) {
    const prompt = PROMPT.exec(line);
    if (!prompt) continue;
    finished += open;
    open = spaced(line.slice(prompt[0].length)) === wanted ? 1 : 0;
  }
  return finished;
}

export function occurrences(screen: string, text: string): number {
  return screen.split(text).length - 1;
}

function spaced(text: string): string {
  return text.trim().replace(/\s+/g, " ");
}
