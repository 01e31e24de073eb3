import type { IClipboardProvider } from "@xterm/addon-clipboard";

/**
 * OSC 52: programs in the guest may put text on the person's clipboard. They may not read it: the guest is not trusted with what
 * the person copied elsewhere.
 */
export const guestClipboard: IClipboardProvider = {
  readText: () => "",
  writeText: (_selection, text) => copyText(text).then(() => undefined),
};

/** Returns whether it worked: browsers refuse while the page has no focus, or when the person forbade it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** The clipboard's text, or undefined when the browser or the person refuses. */
export async function pasteText(): Promise<string | undefined> {
  try {
    return await navigator.clipboard.readText();
  } catch {
    return undefined;
  }
}
