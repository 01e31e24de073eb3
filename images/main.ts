/** `npm run images -- [--refresh] [--mmio-cmdline] [NAME…]`: makes guest images from Debian's packages. */
import { parseArgs } from "node:util";
import { imageNames, imageOptions, usualImages } from "./catalogue.ts";
import { ensureImages } from "./ensure.ts";
import { ImageBuildError, reason } from "./errors.ts";
import { streamProgress } from "./progress.ts";

const HELP = `npm run images -- [--refresh] [--mmio-cmdline] [NAME…]

Makes guest images under public/images/ from Debian's packages; those that are there already are left alone.
No root is needed, and the system's packages stay as they are.

  NAME            one of: ${imageNames.join(", ")}
                  (without any: ${usualImages.join(", ")})
  --mmio-cmdline  ${imageOptions.get("mmio-cmdline")!} too: its kernel finds virtio-mmio devices
                  by parameters. Downloads Linux's source and a compiler, 190 MB
  --refresh       make them anew, from the newest packages that the mirror has
  --help          this text

RINGSIDE_DEBIAN_MIRROR: address of the Debian archive to download from, and, after a space, of its security archive
(default: the Debian mirrors in this machine's apt sources).
`;

async function main(args: string[]): Promise<number> {
  let options;
  try {
    options = parseArgs({
      args,
      allowPositionals: true,
      options: {
        refresh: { type: "boolean" },
        "mmio-cmdline": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    process.stderr.write(`${reason(error)}\n\n${HELP}`);
    return 2;
  }
  if (options.values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const asked = [...imageOptions]
    .filter(([option]) => options.values[option as "mmio-cmdline"] === true)
    .map(([, name]) => name);
  const named = options.positionals.length > 0 ? options.positionals : usualImages;
  const names = [...new Set([...named, ...asked])];
  try {
    const made = await ensureImages(names, streamProgress(process.stderr, ""), {
      refresh: options.values.refresh ?? false,
    });
    const unchanged = names.filter((name) => !made.includes(name));
    if (unchanged.length > 0) process.stderr.write(`Up to date: ${unchanged.join(", ")}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ImageBuildError)) throw error;
    const cause = error.cause === undefined ? "" : `\n${reason(error.cause)}`;
    process.stderr.write(`\n${error.message}${cause}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
