import { ConfigError } from "../config/error.ts";
import type { MachineConfig } from "../config/types.ts";
import type { ImageManifest } from "./image.ts";

/**
 * Whether a machine is one in which an image's kernel starts and finds its devices, as far as the manifest tells.
 * @throws ConfigError that says what the machine needs instead.
 */
export function checkFits(config: MachineConfig, image: ImageManifest): void {
  const { minimum } = image.memory;
  if (config.memory < minimum) {
    throw new ConfigError(`The image "${image.name}" does not start in so little memory`, {
      expected: `memory=${Math.ceil(minimum / 1024 ** 2)}M or more`,
    });
  }
  const onMmio = config.devices.some(({ transport }) => transport.startsWith("mmio"));
  if (config.mmio === "cmdline" && onMmio && !image.mmioCommandLine) {
    throw new ConfigError(
      `The kernel of the image "${image.name}" is built without CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES: it would ignore the ` +
        "virtio-mmio devices that mmio=cmdline announces",
      {
        expected:
          "mmio=acpi, or an image whose kernel looks there, such as image=debian-busybox-mmio-cmdline " +
          "(npm run images -- --mmio-cmdline makes it)",
      },
    );
  }
}
