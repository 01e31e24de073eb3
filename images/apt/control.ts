/** What apt says of a package (deb-control(5)), as far as the recipes read it. */

/** Field names as Debian writes them ("Package", "Built-Using") to values. */
export type Control = ReadonlyMap<string, string>;

/** Stanzas of `apt-cache show`; continuation lines are joined with line ends. */
export function parseControl(text: string): Control[] {
  return text
    .split(/\n\s*\n/)
    .map((stanza) => {
      const fields = new Map<string, string>();
      let last = "";
      for (const line of stanza.split("\n")) {
        const field = /^([^\s:]+):\s*(.*)$/.exec(line);
        if (field) fields.set((last = field[1]!), field[2]!);
        else if (last !== "" && line !== "") fields.set(last, `${fields.get(last)!}\n${line}`);
      }
      return fields;
    })
    .filter((fields) => fields.size > 0);
}

export interface Dependency {
  name: string;
  /** The one version that will do, where it says "(= 2.40-2)". */
  exactly: string | undefined;
}

/** All packages that a package depends on; every alternative counts. */
export function dependencies(control: Control): Dependency[] {
  return ["Depends", "Pre-Depends"].flatMap((field) =>
    (control.get(field) ?? "")
      .split(/[,|]/)
      .map((dependency) => ({
        name: dependency.trim().split(/[\s(:]/)[0]!,
        exactly: /\(=\s*([^\s)]+)\s*\)/.exec(dependency)?.[1],
      }))
      .filter(({ name }) => name !== ""),
  );
}

export interface SourcePackage {
  name: string;
  version: string;
}

/** The source package, and those whose code is inside, too ("linux (= 6.1.176-1)" in Built-Using). */
export function sources(control: Control): { source: SourcePackage; builtUsing: SourcePackage[] } {
  const [name = "", version] = words(control.get("Source") ?? control.get("Package") ?? "");
  const builtUsing = (control.get("Built-Using") ?? "")
    .split(",")
    .map(words)
    .flatMap(([name, version]) => (name && version ? [{ name, version }] : []));
  return { source: { name, version: version ?? control.get("Version") ?? "" }, builtUsing };
}

/** "linux (= 6.1.176-1)" and "linux (6.1.176-1)" give name and version. */
function words(text: string): string[] {
  return text.split(/[\s()=]+/).filter(Boolean);
}
