import type { NetBackend } from "../virtio/net-backend.ts";

/** What a network device is plugged into when that is nothing: there is never a carrier. */
export function noWire(): NetBackend {
  return {
    connect: () => undefined,
    send: () => undefined,
    resume: () => undefined,
    state: () => [{ name: "wire", value: "none" }],
    dispose: () => Promise.resolve(),
  };
}
