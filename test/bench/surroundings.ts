/** What the figures were measured on. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { CHROMIUM } from "./browser/chromium.ts";
import { IMAGE, PROJECT } from "./material.ts";

export interface Surroundings {
  processor: string;
  cores: number;
  memory: string;
  /** Of the last minute, before the run: above 0 something else runs too. */
  load: number;
  node: string;
  chromium: string;
  v86: string;
  guest: string;
  date: string;
}

export async function surroundings(): Promise<Surroundings> {
  const v86 = await readJson<{ version: string }>(join(PROJECT, "node_modules/v86/package.json"));
  const manifest = await readJson<{ packages: { name: string; version: string }[] }>(
    join(PROJECT, "public/images", IMAGE, "manifest.json"),
  );
  const chromium = await promisify(execFile)(CHROMIUM, ["--version"]).then(
    ({ stdout }) => stdout.trim(),
    () => "not there",
  );
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    load: loadavg()[0]!,
    node: process.version,
    chromium,
    v86: v86.version,
    guest: manifest.packages.map(({ name, version }) => `${name} ${version}`).join(", "),
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
  };
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}
