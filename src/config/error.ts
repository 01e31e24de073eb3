/** Where in a configuration's text something stands, in UTF-16 units as `String.prototype.slice` counts them. */
export interface Place {
  text: string;
  offset: number;
  length: number;
}

export interface ConfigErrorDetails {
  /** Absent when the mistake is in a configuration that was not read from a text. */
  place?: Place;
  /** What could have stood there, as the end of "expected …". */
  expected?: string;
  /** What was probably meant, ready to take the place of the offending piece. */
  suggestion?: string;
}

/**
 * A machine configuration that cannot be. `message` is for a person: the problem, what was expected, what it could
 * have meant. The same parts are there one by one for a page that marks the place or offers the correction.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problem: string;
  readonly place: Place | undefined;
  readonly expected: string | undefined;
  readonly suggestion: string | undefined;

  constructor(problem: string, details: ConfigErrorDetails = {}) {
    const { place, expected, suggestion } = details;
    super(
      [
        expected === undefined ? `${problem}.` : `${problem}: expected ${expected}.`,
        ...(suggestion === undefined ? [] : [`Did you mean ${quote(suggestion)}?`]),
      ].join(" "),
    );
    this.problem = problem;
    this.place = place;
    this.expected = expected;
    this.suggestion = suggestion;
  }

  /** The offending piece of the text, or undefined when there is no text. */
  get piece(): string | undefined {
    const place = this.place;
    return place?.text.slice(place.offset, place.offset + place.length);
  }

  /** The message, and under it the line with the offending piece underlined, for a terminal of 80 columns. */
  report(): string {
    return this.place === undefined ? this.message : `${this.message}\n${underline(this.place)}`;
  }
}

/** A piece of somebody's text inside a sentence: cut when it is long, control characters made visible. */
export function quote(text: string): string {
  const shown = text.length > QUOTE_LENGTH ? `${text.slice(0, QUOTE_LENGTH)}…` : text;
  return `"${visible(shown)}"`;
}

const QUOTE_LENGTH = 60;
const LINE_LENGTH = 74;

function underline({ text, offset, length }: Place): string {
  // A long text is cut to a window that begins a little before the piece.
  const start =
    text.length <= LINE_LENGTH ? 0 : Math.max(0, Math.min(offset - 24, text.length - LINE_LENGTH));
  const line = visible(text.slice(start, start + LINE_LENGTH));
  const before = start > 0 ? "…" : "";
  const after = start + LINE_LENGTH < text.length ? "…" : "";
  const marked = Math.max(1, Math.min(length, LINE_LENGTH - (offset - start)));
  return `  ${before}${line}${after}\n  ${" ".repeat(before.length + offset - start)}${"^".repeat(marked)}`;
}

/**
 * One column a character, so that nothing in a link can move the cursor, clear the screen or (as the marks of
 * right-to-left text and characters without width do) show another text than it is.
 */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu, "\ufffd");
}
