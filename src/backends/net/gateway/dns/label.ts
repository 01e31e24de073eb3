/** What the network's own names end in. */
export const DOMAIN = "ringside";

/** A name that a person has given as one label of a DNS name (RFC 1035, 2.3.1); undefined when nothing is left of it. */
export function labelOf(name: string): string | undefined {
  const label = name
    .slice(0, 256)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "")
    .slice(0, 63)
    .replace(/-$/, "");
  return label || undefined;
}
