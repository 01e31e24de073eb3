/** Plain v86 in a module worker: boots what ./peer-server.ts serves, says when it got so far, and passes on its serial port. */
import { InitWatch } from "../guest/marker.ts";
import { newPlainV86, type PlainV86 } from "../guest/plain-v86.ts";

export interface PeerBootRequest {
  commandLine: string;
  /** Bytes. */
  memory: number;
  /** What the guest writes to its console when it got as far as is asked for. */
  until: string;
  /** Bytes of the disk at /disk, which v86 fetches on demand. */
  onDemandDisk?: number;
  /** Bytes of a second disk, in memory. */
  memoryDisk?: number;
}

let emulator: PlainV86 | undefined;

addEventListener("message", ({ data }: MessageEvent<{ boot: PeerBootRequest } | { type: string }>) => {
  if ("boot" in data) void boot(data.boot);
  else emulator?.serial0_send(data.type);
});

async function boot(request: PeerBootRequest): Promise<void> {
  const fetched = ["bios", "vga-bios", "bzimage", "initrd"].map(async (name) => {
    const response = await fetch(`/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return { buffer: await response.arrayBuffer() };
  });
  const [bios, vgaBios, bzImage, initrd] = await Promise.all(fetched);
  const watch = new InitWatch(request.until);
  const { onDemandDisk, memoryDisk } = request;
  emulator = newPlainV86({
    wasm_path: "/v86.wasm",
    bios: bios!,
    vga_bios: vgaBios!,
    bzimage: bzImage!,
    initrd: initrd!,
    cmdline: request.commandLine,
    memory_size: request.memory,
    ...(onDemandDisk && {
      hda: { url: new URL("/disk", location.href).href, async: true, size: onDemandDisk },
    }),
    ...(memoryDisk && { hdb: { buffer: new ArrayBuffer(memoryDisk) } }),
  });
  let said = "";
  emulator.add_listener("serial0-output-byte", (byte) => {
    watch.putByte(byte);
    if (said === "") setTimeout(() => (postMessage({ said }), (said = "")), 20);
    said += String.fromCharCode(byte);
  });
  await watch.reached;
  postMessage({ reached: performance.timeOrigin + performance.now() });
}
