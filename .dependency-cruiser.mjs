// The arrows of ARCHITECTURE.md: what may import what.
/** @param {string} from @param {string[]} allowed */
const only = (from, allowed) => ({
  name: `${from} imports only ${allowed.join(", ") || "itself"}`,
  severity: "error",
  from: { path: `^src/${from}/` },
  to: { path: "^(src|server|images)/", pathNot: [from, ...allowed].map((folder) => `^src/${folder}/`) },
});

export default {
  forbidden: [
    only("net", []),
    only("virtio", ["net"]),
    only("config", []),
    only("inspect", ["virtio", "net"]),
    only("backends", ["virtio", "net"]),
    only("machine", ["virtio", "config", "net"]),
    only("worker", ["machine", "backends", "config", "inspect", "virtio", "net"]),
    only("page", ["worker", "config", "inspect"]),
    only("node", ["machine", "backends", "config", "inspect", "virtio", "net"]),
    {
      name: "server imports only net",
      severity: "error",
      from: { path: "^server/" },
      to: { path: "^src/", pathNot: "^src/net/" },
    },
    {
      name: "net knows no library",
      severity: "error",
      from: { path: "^src/net/" },
      to: { dependencyTypes: ["npm", "core"] },
    },
    {
      name: "only machine imports v86",
      severity: "error",
      from: { pathNot: "^(src/machine|test)/" },
      to: { path: "node_modules/v86" },
    },
    {
      name: "virtio knows no library",
      severity: "error",
      from: { path: "^src/virtio/" },
      to: { dependencyTypes: ["npm", "core"] },
    },
    { name: "no cycles", severity: "error", from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
