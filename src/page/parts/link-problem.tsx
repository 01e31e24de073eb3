import type { ConfigError, Place } from "../../config/error.ts";

/** Why a link is no machine: what is wrong, the place marked, what to do. */
export function LinkProblem({ error }: { error: ConfigError }) {
  const { place, expected, suggestion } = error;
  return (
    <>
      <p>
        {error.problem}.{expected !== undefined && ` Expected: ${expected}.`}
      </p>
      {place && (
        <p class="marked-link">
          <code>
            {shown(place.text.slice(Math.max(0, place.offset - 60), place.offset))}
            <mark>{shown(place.text.slice(place.offset, place.offset + place.length)) || " "}</mark>
            {shown(place.text.slice(place.offset + place.length).slice(0, 60))}
          </code>
        </p>
      )}
      <p class="actions">
        {place && suggestion !== undefined && (
          <a class="button primary" href={`#${corrected(place, suggestion)}`}>
            Try “{suggestion}”
          </a>
        )}
        <a class="button" href="#">
          The default machine
        </a>
      </p>
    </>
  );
}

/** The link with the suggestion in the place of the offending piece. */
function corrected({ text, offset, length }: Place, suggestion: string): string {
  return (text.slice(0, offset) + suggestion + text.slice(offset + length)).replace(/^#/, "");
}

/** A link may hold anything; control characters are made visible. */
function shown(text: string): string {
  return text.replace(/\p{Cc}/gu, "\ufffd");
}
