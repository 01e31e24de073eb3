/** The keys that the page keeps from the guest. Everything else is the guest's, Tab and Escape included. */
export interface TerminalKeys {
  copy(): void;
  paste(): void;
  find(): void;
  /** Out of the terminal: the page's other controls. */
  leave(): void;
  /** Keys that belong to the page but that the guest can have with Ctrl, as escape sequences. */
  send(sequence: string): void;
}

/** For a person, in the terminal's footer and description. */
export const keyHelp = [
  { keys: "F6", does: "leaves the terminal" },
  { keys: "Ctrl-F6", does: "sends F6" },
  { keys: "Ctrl-Shift-F", does: "finds" },
  { keys: "Ctrl-Shift-C / V", does: "copies, pastes" },
] as const;

const f6Sequence = "\x1b[17~";

/** A handler for xterm.js's attachCustomKeyEventHandler: returns whether the key goes on to the guest. */
export function keyHandler(keys: TerminalKeys): (event: KeyboardEvent) => boolean {
  return (event) => {
    const action = actionFor(event, keys);
    if (!action) return true;
    event.preventDefault();
    // keypress and keyup of the same key are not the guest's either.
    if (event.type === "keydown") action();
    return false;
  };
}

function actionFor(event: KeyboardEvent, keys: TerminalKeys): (() => void) | undefined {
  const { ctrlKey: ctrl, shiftKey: shift, altKey: alt, metaKey: meta } = event;
  if (alt || meta) return undefined;
  if (event.key === "F6") {
    if (!ctrl) return () => keys.leave();
    return shift ? undefined : () => keys.send(f6Sequence);
  }
  if (ctrl && shift) {
    if (event.code === "KeyC") return () => keys.copy();
    if (event.code === "KeyV") return () => keys.paste();
    if (event.code === "KeyF") return () => keys.find();
  }
  if (event.key === "Insert" && ctrl !== shift) return ctrl ? () => keys.copy() : () => keys.paste();
  return undefined;
}
