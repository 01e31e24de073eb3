/**
 * Finds Debian mirrors in the machine's apt sources (sources.list(5), both formats), and writes sources of our own for
 * one release: the machine may run another one, and its sources may name repositories that are none of ours.
 */
import { ImageBuildError } from "../errors.ts";

/** One source as apt reads it. A line or stanza with several URIs gives several. */
export interface AptSource {
  uri: string;
  suites: string[];
  components: string[];
  /** Files or fingerprints after Signed-By; undefined when there are none or the key is inline. */
  signedBy: string | undefined;
}

/** Where Debian's packages come from. */
export interface Mirrors {
  /** Addresses of the main archive. */
  archive: string[];
  /** Addresses of the archive with the security updates. */
  security: string[];
}

/** Sources of binary packages in the one-line format (`*.list`). Lines that are not understood are passed over. */
export function parseOneLine(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?([^\s#]+)\s+([^\s#]+)([^#]*)/.exec(line);
    if (!match) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    return [{ uri, suites: [suite], components: words(components), signedBy }];
  });
}

/** Enabled sources of binary packages in the deb822 format (`*.sources`). */
export function parseDeb822(text: string): AptSource[] {
  return stanzas(text).flatMap((fields) => {
    const list = (name: string): string[] => words(fields.get(name) ?? "");
    if (!list("types").includes("deb") || /^(no|false|off|0)$/i.test(fields.get("enabled") ?? "yes"))
      return [];
    const signed = fields.get("signed-by") ?? "";
    const signedBy = signed === "" || signed.includes("BEGIN PGP") ? undefined : signed;
    return list("uris").map((uri) => ({
      uri,
      suites: list("suites"),
      components: list("components"),
      signedBy,
    }));
  });
}

/** Fields by lower-case name; continuation lines are joined with a space, comments left out. */
function stanzas(text: string): Map<string, string>[] {
  const result: Map<string, string>[] = [];
  let fields = new Map<string, string>();
  let last: string | undefined;
  const finish = (): void => {
    if (fields.size > 0) result.push(fields);
    fields = new Map();
    last = undefined;
  };
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const field = /^([^\s:]+):(.*)$/.exec(line);
    if (line.trim() === "") finish();
    else if (field) fields.set((last = field[1]!.toLowerCase()), field[2]!.trim());
    else if (last !== undefined) fields.set(last, `${fields.get(last) ?? ""} ${line.trim()}`.trim());
  }
  finish();
  return result;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

const RELEASE =
  /^(bullseye|bookworm|trixie|forky|duke|sid|unstable|testing|stable|oldstable|oldoldstable)(-updates|-backports|-security|\/updates)?$/;

/**
 * The mirrors among `sources`: entries that look like Debian's own. A repository that looks like it and is not does no
 * harm: what is downloaded must be signed with the key of Debian's archive.
 */
export function debianMirrors(sources: readonly AptSource[]): Mirrors {
  const archive = new Set<string>();
  const security = new Set<string>();
  for (const source of sources) {
    if (!source.components.includes("main")) continue;
    if (source.signedBy !== undefined && !/debian/i.test(source.signedBy)) continue;
    for (const suite of source.suites) {
      const match = RELEASE.exec(suite);
      if (!match) continue;
      const isSecurity = match[2] === "-security" || match[2] === "/updates";
      (isSecurity ? security : archive).add(source.uri.replace(/\/+$/, ""));
    }
  }
  return { archive: [...archive], security: [...security] };
}

/**
 * The mirrors that RINGSIDE_DEBIAN_MIRROR names: the address of the archive and, after a space, that of the security
 * archive, which is otherwise taken to stand beside it under the usual name. Throws an ImageBuildError
 * on anything else.
 */
export function mirrorsFromEnvironment(value: string): Mirrors {
  const addresses = words(value).map((address) => address.replace(/\/+$/, ""));
  const [archive, security = `${archive ?? ""}-security`] = addresses;
  if (archive === undefined || addresses.length > 2 || !addresses.every(isMirrorAddress)) {
    throw new ImageBuildError(
      `RINGSIDE_DEBIAN_MIRROR is "${value}". Expected: the address of a Debian archive, such as ` +
        `http://mirror.example/debian, and perhaps, after a space, that of its security archive.`,
    );
  }
  return { archive: [archive], security: [security] };
}

/** What apt has a method for; nothing that would run a program. */
function isMirrorAddress(address: string): boolean {
  return /^(https?|file|copy|mirror(\+[a-z]+)?):\/[^\s[\]"']+$/.test(address);
}

/** A deb822 file for one release and architecture from these mirrors. */
export function writeSources(
  mirrors: Mirrors,
  options: { release: string; architecture: string; keyring: string },
): string {
  const stanza = (uris: string[], suites: string[]): string[] =>
    uris.length === 0
      ? []
      : [
          `Types: deb\nURIs: ${uris.join(" ")}\nSuites: ${suites.join(" ")}\nComponents: main\n` +
            `Architectures: ${options.architecture}\nSigned-By: ${options.keyring}\n`,
        ];
  return [
    ...stanza(mirrors.archive, [options.release, `${options.release}-updates`]),
    ...stanza(mirrors.security, [`${options.release}-security`]),
  ].join("\n");
}
