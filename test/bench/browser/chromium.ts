import { type Browser, chromium } from "playwright-core";
import { MissingMaterial } from "../material.ts";

/** Debian's Chromium, unless the environment names another. */
export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** @throws MissingMaterial when there is no Chromium. */
export async function launchChromium(): Promise<Browser> {
  try {
    return await chromium.launch({
      executablePath: CHROMIUM,
      // Chromium refuses its sandbox to root, which a container often is.
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    });
  } catch (cause) {
    throw new MissingMaterial(
      `Chromium (${CHROMIUM}) cannot be started. Install it (apt-get install chromium), or name another in CHROMIUM: ` +
        String(cause).replace(/\n[^]*/, ""),
      { cause },
    );
  }
}
