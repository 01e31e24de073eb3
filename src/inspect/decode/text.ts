import { count } from "./layer.ts";

/** Bytes of which text is shown at most. */
const LONGEST = 1024;
/** Of so many characters at most one may be none that a terminal prints, or the bytes are no text. */
const FOREIGN = 8;

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u001b": "\\e" };

/** Bytes as a terminal would take them: text with what cannot be seen written out, or how many bytes of something else. */
export function textOf(bytes: Uint8Array): string {
  const part = new TextDecoder().decode(bytes.subarray(0, LONGEST));
  let foreign = 0;
  const text = part.replace(/[\p{Cc}\ufffd]/gu, (character) => {
    const escape = ESCAPES[character];
    if (escape !== undefined) return escape;
    foreign++;
    return character === "\ufffd" ? character : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  if (foreign * FOREIGN > part.length) return `${count(bytes.length, "byte")}, no text`;
  return bytes.length > LONGEST ? `${text}…` : text;
}
