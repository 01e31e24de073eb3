/** UDP ports that programs of this computer have. passt could take one from a program that shares its own, mDNS's for example. */
import { readFileSync } from "node:fs";

/** Milliseconds for which the answer is taken to be right. */
const REFRESH = 1000;

export function occupiedPorts(now: () => number): () => ReadonlySet<number> {
  let ports: ReadonlySet<number> = new Set();
  let until = -Infinity;
  return () => {
    if (now() >= until) {
      ports = new Set([...portsIn("/proc/net/udp"), ...portsIn("/proc/net/udp6")]);
      until = now() + REFRESH;
    }
    return ports;
  };
}

/** proc_net(5): the second column is ADDRESS:PORT in hexadecimal digits. */
function portsIn(path: string): number[] {
  try {
    return [...readFileSync(path, "latin1").matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)].map(([, port]) =>
      parseInt(port!, 16),
    );
  } catch {
    return []; // without /proc, or without IPv6
  }
}
