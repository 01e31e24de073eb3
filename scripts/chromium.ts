/** Finds the Chromium that the browser tests and the screenshot run in; installs Debian's where that is possible. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FOLDERS = ["/usr/bin", "/usr/local/bin", "/snap/bin"];

export interface ChromiumOptions {
  environment?: NodeJS.ProcessEnv;
  /** Whether a path is a program that can be run. */
  isExecutable?: (path: string) => boolean;
  /** Runs a program with its output shown; resolves with its exit status. */
  runShown?: (program: string, args: string[]) => Promise<number>;
  isRoot?: boolean;
}

/**
 * The path of Chromium: what RINGSIDE_CHROMIUM names, or one that is installed. Where there is none and we are root
 * on a system with apt, Debian's package is installed. Otherwise throws an Error that says what to do.
 */
export async function ensureChromium(options: ChromiumOptions = {}): Promise<string> {
  const {
    environment = process.env,
    isExecutable = canExecute,
    runShown = runInherited,
    isRoot = process.getuid?.() === 0,
  } = options;
  const named = environment.RINGSIDE_CHROMIUM;
  if (named) {
    if (isExecutable(named)) return named;
    throw new Error(`RINGSIDE_CHROMIUM is "${named}", which is no program that can be run.`);
  }
  const folders = [...(environment.PATH ?? "").split(delimiter).filter(Boolean), ...FOLDERS];
  const find = (names: string[]): string | undefined =>
    names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
  const installed = find(NAMES);
  if (installed) return installed;

  const apt = find(["apt-get"]);
  if (apt === undefined || !isRoot) {
    throw new Error(
      "The browser tests need Chromium, and there is none here. " +
        (apt === undefined
          ? "Install Chromium or Chrome, or name one with RINGSIDE_CHROMIUM=/path/to/chromium."
          : "Install it as root (apt-get install chromium), or name one with RINGSIDE_CHROMIUM=/path/to/chromium."),
    );
  }
  process.stderr.write("There is no Chromium here: installing Debian's (some 250 MB on the disk) …\n");
  const updated = await runShown(apt, ["update", "-q"]);
  const status = await runShown(apt, ["install", "-q", "-y", "--no-install-recommends", "chromium"]);
  const fresh = find(NAMES);
  if (status === 0 && fresh) return fresh;
  throw new Error(
    `apt-get could not install chromium (status ${status}${updated === 0 ? "" : `, and its update ended with ${updated}`}); ` +
      "its messages are above. Another Chromium can be named with RINGSIDE_CHROMIUM=/path/to/chromium.",
  );
}

function canExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function runInherited(program: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    // Standard output is for results: everything that apt says goes to standard error.
    const child = spawn(program, args, {
      stdio: ["ignore", process.stderr, process.stderr],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    child.once("error", (error) => reject(new Error(`${program} could not be run.`, { cause: error })));
    child.once("close", (code) => resolve(code ?? 128));
  });
}
