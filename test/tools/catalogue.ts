/** Debian's programs that tests and benchmarks run beside ours. */
export interface Tool {
  /** Debian's package with the program. */
  package: string;
  /** Where the program is in it. */
  path: string;
  /** Makes it say its version and end well. */
  trial: readonly string[];
}

export const tools = {
  /** A room's way out. */
  passt: { package: "passt", path: "usr/bin/passt", trial: ["--version"] },
  "nats-server": { package: "nats-server", path: "usr/sbin/nats-server", trial: ["--version"] },
  /** Reads captures. */
  tshark: { package: "tshark", path: "usr/bin/tshark", trial: ["--version"] },
  iperf3: { package: "iperf3", path: "usr/bin/iperf3", trial: ["--version"] },
  /** For network namespaces. */
  ip: { package: "iproute2", path: "bin/ip", trial: ["-Version"] },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;
