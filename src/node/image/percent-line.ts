/** How far something is, in one line: it counts up in place on a terminal, elsewhere each quarter is a line. */
export function percentLine(stream: NodeJS.WritableStream & { isTTY?: boolean }): {
  /** @param share from 0 to 1 */
  show: (what: string, share: number) => void;
  end: () => void;
} {
  const terminal = stream.isTTY === true;
  let shown = "";
  const end = (): void => {
    if (terminal && shown !== "") stream.write("\n");
    shown = "";
  };
  return {
    show(what, share) {
      const percent = Math.floor(Math.min(share, 1) * 100);
      const text = `${what}: ${terminal ? percent : percent - (percent % 25)} %`;
      if (text === shown) return;
      if (terminal && !shown.startsWith(`${what}:`)) end();
      stream.write(terminal ? `\r${text}` : `${text}\n`);
      shown = text;
    },
    end,
  };
}
