import { LONGEST_BATCH, LONGEST_CONTROL, WINDOW } from "../../src/net/relay-protocol.ts";
import { parseMac } from "./mac-address.ts";

/** What a member said, with its values checked. */
export type Control =
  | { type: "hello"; name: string; mac: number; window: number }
  | { type: "credit"; bytes: number }
  | { type: "ping" };

/** Letters of a name; what is more is cut off. It is shown to others. */
const LONGEST_NAME = 40;

/** Bytes of a text message from a member: what it can have to say is much shorter than what the relay has. */
export const LONGEST_SAID = LONGEST_CONTROL / 32;

/** The message of this text, or what is wrong with it: a sentence for the member's own person. */
export function parseControl(text: Buffer): Control | string {
  if (text.length > LONGEST_SAID) return `A message of ${text.length} bytes is too long.`;
  let message: unknown;
  try {
    message = JSON.parse(text.toString("utf8"));
  } catch {
    return "A text message is not JSON.";
  }
  if (typeof message !== "object" || message === null) return "A message is not an object.";
  const { type } = message as { type?: unknown };
  if (type === "hello") return parseHello(message);
  if (type === "credit") return parseCredit(message);
  if (type === "ping") return { type };
  return "A message has a type that this relay does not know.";
}

function parseHello(message: { name?: unknown; mac?: unknown; window?: unknown }): Control | string {
  const { name = "", mac: text, window = WINDOW.standard } = message;
  const mac = typeof text === "string" ? parseMac(text) : undefined;
  if (mac === undefined) return "The hello has no MAC address of one host.";
  if (typeof name !== "string") return "The name in the hello is not a text.";
  if (!isWhole(window) || window < WINDOW.least || window > WINDOW.most) {
    return `The window in the hello is not a number from ${WINDOW.least} to ${WINDOW.most}.`;
  }
  return { type: "hello", name: shown(name), mac, window };
}

function parseCredit({ bytes }: { bytes?: unknown }): Control | string {
  if (!isWhole(bytes) || bytes < 1 || bytes > WINDOW.most + LONGEST_BATCH) {
    return "Credit is not a number of bytes that can have been sent.";
  }
  return { type: "credit", bytes };
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Without what could confuse a terminal, a log or a reader: control characters, changes of direction, half surrogates. */
function shown(name: string): string {
  const letters = name.slice(0, 4 * LONGEST_NAME).replace(/[\p{C}\p{Z}]+/gu, " ");
  return Array.from(letters.trim()).slice(0, LONGEST_NAME).join("");
}
