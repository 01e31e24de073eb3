import { ConfigError, quote, type Place } from "./error.ts";

/** The characters of a place, as they are written. */
export function raw({ text, offset, length }: Place): string {
  return text.slice(offset, offset + length);
}

/** The parts of a place between separators, empty ones included. */
export function split(place: Place, separator: string): Place[] {
  const parts: Place[] = [];
  let offset = place.offset;
  for (const part of raw(place).split(separator)) {
    parts.push({ text: place.text, offset, length: part.length });
    offset += part.length + separator.length;
  }
  return parts;
}

/** What stands before and after the first `=`; `value` is undefined when there is none. */
export function assignment(place: Place): { word: Place; name: Place; value: Place | undefined } {
  const equals = raw(place).indexOf("=");
  if (equals < 0) return { word: place, name: place, value: undefined };
  const { text, offset, length } = place;
  return {
    word: place,
    name: { text, offset, length: equals },
    value: { text, offset: offset + equals + 1, length: length - equals - 1 },
  };
}

/** The text of a place with %XX decoded. `+` is a plus: kernel parameters have it, and a space is %20 or itself. */
export function decode(place: Place): string {
  const written = raw(place);
  try {
    return decodeURIComponent(written);
  } catch {
    const broken = /%(?![0-9a-f]{2})/i.exec(written);
    // Otherwise the bytes are no UTF-8: all runs of %XX are suspect, the first is pointed at.
    const found = broken ?? /(?:%[89a-f][0-9a-f])+/i.exec(written)!;
    const piece = { text: place.text, offset: place.offset + found.index, length: found[0].length };
    if (broken === null) {
      throw new ConfigError(`${quote(raw(piece))} is no UTF-8 text`, {
        place: piece,
        expected: "percent-encoded UTF-8",
      });
    }
    throw new ConfigError("A percent sign stands alone", {
      place: piece,
      expected: "two hexadecimal digits after it",
      suggestion: "%25",
    });
  }
}

/**
 * A value as it is written in the text. Encoded are the separators of the grammar, and what a fragment, a shell's
 * single quotes or a message would change on the way.
 */
export function encode(value: string, separators: "&" | "&,"): string {
  const plain = separators === "&" ? /[^A-Za-z0-9\-._~!$()*+:;@/?=,]/gu : /[^A-Za-z0-9\-._~!$()*+:;@/?=]/gu;
  return value.replace(plain, (character) => (character === "'" ? "%27" : encodeURIComponent(character)));
}
