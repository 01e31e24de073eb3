/** Colours of the page's tokens as a canvas takes them: in the theme of this moment. */

const KINDS = ["blk", "console", "rng", "net"];

let probe: HTMLElement | undefined;
let theme: string | undefined;
const resolved = new Map<string, string>();

/** @param token such as `ink-soft` */
export function tokenColour(token: string): string {
  const now = document.documentElement.dataset.theme;
  if (now !== theme) resolved.clear();
  theme = now;
  let colour = resolved.get(token);
  if (colour === undefined) {
    // light-dark() is resolved only where it is used.
    if (!probe?.isConnected) {
      probe = document.createElement("span");
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(--${token})`;
    colour = getComputedStyle(probe).color;
    resolved.set(token, colour);
  }
  return colour;
}

/** The accent of a kind of device; of one that is not known, the text's. */
export function kindToken(kind: string | undefined): string {
  return kind !== undefined && KINDS.includes(kind) ? `kind-${kind}` : "ink-soft";
}
