import type { VirtioDevice } from "../device.ts";
import { Feature } from "../spec.ts";

/**
 * When a write is done: as soon as the backend has it (write-back), or when it is durable (write-through). 5.2.5, 5.2.6.2.
 * The driver's part of it is the configuration field `writeback` (VIRTIO_BLK_F_CONFIG_WCE), where that is `offered`.
 */
export class CacheMode {
  /** A write has to be durable before it is done. */
  writeThrough = true;
  readonly #device: VirtioDevice;
  readonly #offered: boolean;
  #writeback = true;

  constructor(device: VirtioDevice, offered: boolean) {
    this.#device = device;
    this.#offered = offered;
    this.reset();
  }

  /** The device was reset. 5.2.5: the mode after that may be either; a disk with a cache of its own has it on. */
  reset(): void {
    this.#set(true);
  }

  /** The driver accepted features. Those of a legacy driver may still change, and leave the mode as it is (5.2.5.3). */
  negotiated(): void {
    const { FLUSH, CONFIG_WCE } = Feature.block;
    // 5.2.5.2: who can switch the cache but not flush it begins without. Who cannot switch it gets what flushes allow.
    if (this.#device.legacy || (this.#device.has(CONFIG_WCE) && this.#device.has(FLUSH))) {
      this.#set(this.#writeback);
    } else {
      this.#set(this.#device.has(FLUSH));
    }
  }

  /** DRIVER_OK: what a legacy driver did not accept by now it will not (5.2.5.3). */
  ready(): void {
    const { FLUSH, CONFIG_WCE } = Feature.block;
    if (this.#device.legacy && !this.#device.has(CONFIG_WCE)) this.#set(this.#device.has(FLUSH));
  }

  /** The driver wrote the field. */
  written(): void {
    // A legacy driver may before it accepts anything (5.2.5.3).
    const allowed = this.#device.legacy || this.#device.has(Feature.block.CONFIG_WCE);
    if (!allowed)
      this.#device.violation("2.5.1 readOnly", "writeback written without VIRTIO_BLK_F_CONFIG_WCE");
    this.#set(allowed ? this.#device.config.get("writeback") !== 0 : this.#writeback);
  }

  #set(writeback: boolean): void {
    const { FLUSH, CONFIG_WCE } = Feature.block;
    this.#writeback = writeback;
    // 5.2.6.2: a driver that can ask for neither takes every write that is done for stable.
    this.writeThrough = !writeback || !(this.#device.has(FLUSH) || this.#device.has(CONFIG_WCE));
    if (this.#offered) this.#device.config.set("writeback", writeback ? 1 : 0);
  }
}
