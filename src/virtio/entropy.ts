import { VirtioDevice, type DeviceOptions } from "./device.ts";
import type { Virtqueue } from "./queue.ts";
import { DeviceType } from "./spec.ts";
import { bytesText } from "./view/bytes-text.ts";
import type { NamedValue } from "./view/types.ts";

/** Fills `target` with random bytes. */
export type EntropySource = (target: Uint8Array) => void;

/** The most bytes that one request gets: a driver that asks for a gigabyte shall not hold the CPU for seconds. */
const REQUEST_LIMIT = 65536;

/** The entropy device (virtio 1.3, 5.4): every buffer comes back full of randomness. */
export class EntropyDevice extends VirtioDevice {
  readonly #source: EntropySource;
  /** Bytes since power-on. */
  #given = 0;

  constructor(source: EntropySource, options?: DeviceOptions) {
    super(
      {
        type: DeviceType.entropy,
        kind: "entropy",
        features: [],
        queues: [{ name: "requestq", size: 64 }],
        config: [],
      },
      options,
    );
    this.#source = source;
  }

  override state(): NamedValue[] {
    return [{ name: "given to the guest", value: bytesText(this.#given) }];
  }

  protected override process(queue: Virtqueue): void {
    for (let chain = queue.take(); chain; chain = queue.take()) {
      if (chain.reader.total > 0)
        this.violation("5.4.6.1 readable", "a device-readable buffer in the request queue", queue.index);
      let left = Math.min(chain.writer.total, REQUEST_LIMIT);
      const written = left;
      while (left > 0) {
        const piece = chain.writer.view(left);
        this.#source(piece);
        left -= piece.length;
      }
      this.#given += written;
      queue.put(chain, written);
    }
  }
}
