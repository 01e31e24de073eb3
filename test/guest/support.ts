import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { ensureImages } from "../../images/ensure.ts";
import { streamProgress } from "../../images/progress.ts";
import { openMachine, type OpenMachine, type OpenOptions } from "../../src/node/index.ts";

/** The longest that any wait for a guest may take; a hang is a failure, not a long test run. */
const PATIENCE = 180_000;

/** A real Debian kernel in Node, with its terminal's output at hand. */
export interface Guest extends AsyncDisposable {
  machine: OpenMachine;
  /** All that the terminal has shown. */
  screen: () => string;
  /** What the person would have been told. */
  messages: string[];
  /** Runs a command that must succeed; its stdout, without the last newline. */
  sh: (command: string) => Promise<string>;
}

/** Boots the machine of `config`. Dispose of it. */
export async function boot(config: string, options: OpenOptions = {}): Promise<Guest> {
  await ensureImages(["debian-busybox"], streamProgress(process.stderr, ""));
  const chunks: Buffer[] = [];
  const messages: string[] = [];
  const machine = await openMachine(config, {
    terminal: { write: (data) => void chunks.push(Buffer.from(data)) },
    onMessage: (level, text) => messages.push(`${level}: ${text}`),
    ...options,
  });
  return {
    machine,
    messages,
    screen: () => Buffer.concat(chunks).toString(),
    sh: async (command) => {
      const { status, stdout, stderr } = await within(machine.run(command), command);
      if (status !== 0) throw new Error(`"${command}" ended with ${status}: ${stderr}`);
      return stdout.trimEnd();
    },
    [Symbol.asyncDispose]: () => machine.dispose(),
  };
}

/** Rejects when `promise` takes longer than any guest should. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${PATIENCE / 1000} s: ${what}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`It did not happen within ${PATIENCE / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A folder that goes with the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ringside-guest-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a disk of `bytes` whose every sector differs; returns its SHA-256. */
export function patternDisk(path: string, bytes: number, seed: number): string {
  const words = new Uint32Array(bytes / 4);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13; // xorshift32
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  const data = new Uint8Array(words.buffer);
  writeFileSync(path, data);
  return createHash("sha256").update(data).digest("hex");
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
