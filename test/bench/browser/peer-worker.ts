/** Plain v86 in a module worker: boots what ./peer-server.ts serves, and says when the guest is in /init. */
import { InitWatch } from "../guest/marker.ts";
import { newPlainV86 } from "../guest/plain-v86.ts";

export interface PeerBootRequest {
  commandLine: string;
  /** Bytes. */
  memory: number;
}

addEventListener("message", ({ data }: MessageEvent<PeerBootRequest>) => void boot(data));

async function boot({ commandLine, memory }: PeerBootRequest): Promise<void> {
  const fetched = ["bios", "vga-bios", "bzimage", "initrd"].map(async (name) => {
    const response = await fetch(`/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return { buffer: await response.arrayBuffer() };
  });
  const [bios, vgaBios, bzImage, initrd] = await Promise.all(fetched);
  const watch = new InitWatch();
  const emulator = newPlainV86({
    wasm_path: "/v86.wasm",
    bios: bios!,
    vga_bios: vgaBios!,
    bzimage: bzImage!,
    initrd: initrd!,
    cmdline: commandLine,
    memory_size: memory,
  });
  emulator.add_listener("serial0-output-byte", (byte) => watch.putByte(byte));
  await watch.reached;
  postMessage(performance.timeOrigin + performance.now());
}
