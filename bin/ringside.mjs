#!/usr/bin/env node
// The command line runs from its TypeScript sources: a fresh checkout needs `npm ci` and no build.
try {
  const { register } = await import("tsx/esm/api");
  register();
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  process.stderr.write("ringside: its packages are not installed here. Install them with: npm ci\n");
  process.exit(1);
}
const [command, ...rest] = process.argv.slice(2);
if (command === "relay") {
  const { relayCommand } = await import("../server/relay/command.ts");
  process.exit(await relayCommand(rest, process.env));
}
const { main } = await import("../src/node/cli.ts");
// Not the exit code alone: whatever a machine might have left running must not keep the process.
process.exit(await main(process.argv.slice(2)));
