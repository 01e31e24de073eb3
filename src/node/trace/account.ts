import type { Account } from "../../inspect/types.ts";
import { count, table } from "./table.ts";

/** What commands cost, without what they wrote. */
export type Cost = Pick<Account, "milliseconds" | "instructions" | "devices">;

/** A cost for a person. Bytes as the device sees them: what it could read, and what it wrote. */
export function describeCost({ milliseconds, instructions, devices }: Cost): string {
  const rows = devices.map(({ name, exits, kicks, interrupts, requests, bytesRead, bytesWritten }) => [
    name,
    ...[exits, kicks, interrupts, requests, bytesRead, bytesWritten].map(count),
  ]);
  return (
    `${(milliseconds / 1000).toFixed(3)} s, ${count(instructions)} instructions\n` +
    table([["device", "exits", "kicks", "interrupts", "requests", "bytes read", "bytes written"], ...rows])
  );
}
