/**
 * apt in a folder of its own: its sources, lists, cache and idea of what is installed are all under that folder, so it
 * needs no root and the system's package state stays as it is. Of the system it uses the Debian mirrors in its sources,
 * its settings for downloads (proxies and the like), Debian's keyring and apt itself.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageBuildError } from "../errors.ts";
import type { Progress } from "../progress.ts";
import { requirePrograms, run } from "../run.ts";
import { dependencies, parseControl, type Control, type Dependency } from "./control.ts";
import {
  debianMirrors,
  mirrorsFromEnvironment,
  parseDeb822,
  parseOneLine,
  writeSources,
  type Mirrors,
} from "./sources.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

export class PrivateApt {
  #updated = false;
  readonly #folder: string;
  readonly #release: string;
  /** As Debian calls it. */
  readonly architecture: string;

  constructor(folder: string, release: string, architecture: string) {
    this.#folder = folder;
    this.#release = release;
    this.architecture = architecture;
  }

  /**
   * Writes the configuration and reads the package lists. A list that cannot be had (a mirror in the middle of its
   * update) is a warning: what is downloaded later is checked against the lists that could be. Once is enough.
   */
  async update(progress: Progress): Promise<void> {
    if (this.#updated) return this.#pretendInstalled([]);
    progress.step("Reading Debian's package lists");
    requirePrograms({ "apt-get": "apt", "apt-cache": "apt", "apt-config": "apt" });
    if (!existsSync(KEYRING)) {
      throw new ImageBuildError(
        `Debian's packages are checked against ${KEYRING}, which is not there. Install it: apt-get install debian-archive-keyring`,
      );
    }
    await this.#configure(await systemMirrors(this.#release));
    const { status, stdout, stderr } = await this.#apt("apt-get", ["update"], { allow: [100] });
    const complaints = `${stdout.toString()}\n${stderr}`.match(/^[EW]: .*$/gm) ?? [];
    this.#updated = true;
    if (status !== 0 || complaints.length > 0) {
      progress.warn(`Some package lists could not be read:\n  ${complaints.join("\n  ")}`);
    }
  }

  /** The newest version of each package, in the order given. Throws an ImageBuildError if there is none. */
  async show(names: readonly string[]): Promise<Control[]> {
    const { stdout } = await this.#apt("apt-cache", ["show", "--no-all-versions", ...names], {
      allow: [100],
    });
    const found = new Map(
      parseControl(stdout.toString()).map((control) => [control.get("Package"), control]),
    );
    return names.map((name) => {
      const control = found.get(name);
      if (control) return control;
      throw new ImageBuildError(
        `The package lists have no ${name} for ${this.architecture} in Debian ${this.#release}. Is the mirror reachable, and ` +
          `does it carry ${this.architecture}? Another one can be named with RINGSIDE_DEBIAN_MIRROR.`,
      );
    });
  }

  /**
   * These packages, Debian's essential ones, and all that they depend on, in the order in which apt would install them on a
   * system where nothing is. Throws an ImageBuildError if apt finds no way.
   */
  async closure(names: readonly string[]): Promise<Control[]> {
    await this.#pretendInstalled([]);
    const { stdout } = await this.#apt("apt-get", ["install", "--simulate", "?essential", ...names]);
    const found = [...stdout.toString().matchAll(/^Inst ([^\s:]+)/gm)].map(([, name]) => name!);
    return this.show(found);
  }

  /** Those of these packages and of all that they depend on that are not installed on this machine. */
  async lacking(names: readonly string[]): Promise<Control[]> {
    const installed = "Dir::State::status=/var/lib/dpkg/status";
    const { stdout } = await this.#apt("apt-get", ["-o", installed, "install", "--simulate", ...names]);
    const found = [...stdout.toString().matchAll(/^Inst ([^\s:]+)/gm)].map(([, name]) => name!);
    return this.show(found);
  }

  /**
   * Downloads these packages, not what they depend on, and returns their files. apt checks them against the signed lists
   * and goes on where an earlier download was cut off. `complete` says that they have all that they depend on among them.
   */
  async download(
    packages: readonly Control[],
    progress: Progress,
    { complete = false }: { complete?: boolean | undefined } = {},
  ): Promise<string[]> {
    const names = packages.map((control) => control.get("Package")!);
    const total = packages.reduce((sum, control) => sum + Number(control.get("Size")), 0);
    const needed = complete ? [] : packages.flatMap(dependencies).filter(({ name }) => !names.includes(name));
    await this.#pretendInstalled(needed);
    await this.#apt("apt-get", ["install", "--download-only", "--yes", "--no-install-recommends", ...names], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
      onStatusLine: (line) => {
        const percent = /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1];
        if (percent !== undefined) progress.bytes((Number(percent) / 100) * total, total);
      },
    });
    const archives = join(this.#folder, "cache/archives");
    return packages.map((control) => {
      const version = control.get("Version")!.replaceAll(":", "%3a");
      return join(archives, `${control.get("Package")!}_${version}_${control.get("Architecture")!}.deb`);
    });
  }

  /** apt downloads what a package depends on, too, unless it is there already. None of it goes into an image. */
  async #pretendInstalled(needed: readonly Dependency[]): Promise<void> {
    const versions = new Map<string, string>();
    for (const { name, exactly } of needed) versions.set(name, exactly ?? versions.get(name) ?? "9999");
    const stanzas = [...versions].map(
      ([name, version]) =>
        `Package: ${name}\nStatus: install ok installed\nArchitecture: ${this.architecture}\nVersion: ${version}\n` +
        `Multi-Arch: allowed\n` +
        `Maintainer: nobody\nDescription: not needed in an image\n`,
    );
    await writeFile(join(this.#folder, "status"), stanzas.join("\n"));
  }

  async #configure(mirrors: Mirrors): Promise<void> {
    for (const folder of ["state/lists/partial", "cache/archives/partial", "empty"]) {
      await mkdir(join(this.#folder, folder), { recursive: true });
    }
    await writeFile(join(this.#folder, "status"), "");
    await writeFile(
      join(this.#folder, "debian.sources"),
      writeSources(mirrors, {
        release: this.#release,
        architecture: this.architecture,
        keyring: KEYRING,
      }),
    );
    const path = (relative: string): string => JSON.stringify(join(this.#folder, relative));
    await writeFile(
      join(this.#folder, "apt.conf"),
      [
        ...(await systemDownloadSettings()),
        `APT::Architecture "${this.architecture}";`,
        `APT::Architectures { "${this.architecture}"; };`,
        // Root's apt would download as another user, who cannot write to our folder.
        `APT::Sandbox::User "";`,
        `APT::Install-Recommends "false";`,
        `Dir::State ${path("state")};`,
        `Dir::State::status ${path("status")};`,
        `Dir::Cache ${path("cache")};`,
        `Dir::Etc::sourcelist ${path("debian.sources")};`,
        `Dir::Etc::sourceparts ${path("empty")};`,
        // The system's own settings may run hooks and pin packages.
        `Dir::Etc::main "/dev/null";`,
        `Dir::Etc::parts ${path("empty")};`,
        `Dir::Etc::preferences "/dev/null";`,
        `Dir::Etc::preferencesparts ${path("empty")};`,
        `Dir::Log ${path("log")};`,
        `Acquire::Languages "none";`,
        `Acquire::Retries "3";`,
        "",
      ].join("\n"),
    );
  }

  async #apt(
    program: string,
    args: string[],
    options: Parameters<typeof run>[2] = {},
  ): ReturnType<typeof run> {
    return run(program, ["-o", "APT::Status-Fd=3", ...args], {
      ...options,
      onStatusLine: options.onStatusLine ?? ((): void => undefined),
      env: { ...options.env, APT_CONFIG: join(this.#folder, "apt.conf") },
    });
  }
}

/** Lines `Acquire::… "…";` of the system's configuration: proxies, certificates, time-outs. */
async function systemDownloadSettings(): Promise<string[]> {
  const { stdout } = await run("apt-config", ["dump"]);
  return stdout
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("Acquire::"));
}

/** The mirrors in the sources of this machine, or those of RINGSIDE_DEBIAN_MIRROR. Throws an ImageBuildError when there are none. */
export async function systemMirrors(release: string): Promise<Mirrors> {
  const override = process.env.RINGSIDE_DEBIAN_MIRROR;
  if (override) return mirrorsFromEnvironment(override);
  const files = [
    "/etc/apt/sources.list",
    ...(await readdir("/etc/apt/sources.list.d").catch(() => []))
      .sort()
      .map((name) => `/etc/apt/sources.list.d/${name}`),
  ];
  const sources = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (file.endsWith(".list")) sources.push(...parseOneLine(text));
    if (file.endsWith(".sources")) sources.push(...parseDeb822(text));
  }
  const mirrors = debianMirrors(sources);
  if (mirrors.archive.length === 0) {
    throw new ImageBuildError(
      `No Debian mirror is among this machine's apt sources (${files.join(", ")}). Name one that carries Debian ${release} in ` +
        `the environment variable RINGSIDE_DEBIAN_MIRROR, such as RINGSIDE_DEBIAN_MIRROR=http://mirror.example/debian`,
    );
  }
  return mirrors;
}
