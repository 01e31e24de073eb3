/** Fetches the programs of ./catalogue.ts that are not on this machine, so that no test waits for them. */
import { reason } from "../../images/errors.ts";
import { tools, type ToolName } from "./catalogue.ts";
import { ensureTool } from "./ensure.ts";

for (const name of Object.keys(tools) as ToolName[]) {
  try {
    console.log(`${name}: ${(await ensureTool(name)).command}`);
  } catch (error) {
    console.log(`${name}: ${reason(error)}`);
    process.exitCode = 1;
  }
}
