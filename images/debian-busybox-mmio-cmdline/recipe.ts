/**
 * debian-busybox with one kernel module built anew: virtio_mmio.ko with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES, which Debian leaves
 * out, so that the kernel finds virtio-mmio devices by `virtio_mmio.device=` parameters.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Control } from "../apt/control.ts";
import { makeBusyboxImage } from "../debian-busybox/recipe.ts";
import { ImageBuildError } from "../errors.ts";
import { acquirePackages, type Package } from "../packages.ts";
import type { Build, Recipe } from "../recipe.ts";
import { buildModule } from "./module.ts";

export const debianBusyboxMmioCmdline: Recipe = {
  name: "debian-busybox-mmio-cmdline",
  option: "mmio-cmdline",
  release: "bookworm",
  architecture: "i386",
  make: async (build) => {
    await makeBusyboxImage(build, {
      title: "Debian kernel with busybox, virtio-mmio devices by parameters",
      description:
        "As debian-busybox, but for one module: virtio_mmio.ko is built from Debian's source, unchanged, with " +
        "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES. It has no signature of Debian's, so that the kernel says it is tainted when it loads.",
      mmioCommandLine: true,
      kernelPackages: (kernel) => {
        const release = releaseOf(kernel);
        return [
          `linux-headers-${release}`,
          `linux-headers-${commonOf(release)}`,
          `linux-source-${seriesOf(release)}`,
        ];
      },
      modules: async (kernel, [headers, common, source]) => {
        const module = await makeModule(build, releaseOf(kernel.record.name), [headers!, common!], source!);
        return new Map([["virtio_mmio", module]]);
      },
    });
  },
};

async function makeModule(
  build: Build,
  release: string,
  headers: [Package, Package],
  source: Package,
): Promise<Uint8Array> {
  const series = seriesOf(release);
  const tools = await acquireTools(build, series);
  const folder = join(build.scratchFolder, "build");
  await mkdir(folder);
  return buildModule({
    ...{ release, series, headers, tools, folder },
    compiler: COMPILER,
    source: join(build.scratchFolder, source.record.name),
    progress: build.progress,
  });
}

/** Of gcc, as of Debian 12's kernel: linux-headers depends on linux-compiler-gcc-12-x86. */
const COMPILER = "12";

/** A cross compiler, so that it runs on this machine whatever its architecture; with the libraries that cc1 and ld need. */
async function acquireTools(build: Build, series: string): Promise<Package[]> {
  const names = [
    ...[`gcc-${COMPILER}-i686-linux-gnu`, `cpp-${COMPILER}-i686-linux-gnu`, "binutils-i686-linux-gnu"],
    ...["make", `linux-kbuild-${series}`],
    ...["libisl23", "libmpc3", "libmpfr6", "libgmp10", "libzstd1", "zlib1g", "libjansson4"],
  ];
  const apt = await build.toolsApt();
  return acquirePackages(build, {
    apt,
    list: "tools.json",
    wanted: [...names, apt.architecture],
    resolve: (): Promise<Control[]> => apt.show(names),
    licence: () => "not in the image",
  });
}

/** linux-image-6.1.0-50-686 is of the release 6.1.0-50-686 ... */
function releaseOf(kernel: string): string {
  return kernel.replace(/^linux-image-/, "");
}

/** ... whose headers that are the same for every flavour are of 6.1.0-50-common ... */
function commonOf(release: string): string {
  return release.replace(/-686$/, "-common");
}

/** ... and whose series is 6.1. */
function seriesOf(release: string): string {
  const series = /^\d+\.\d+/.exec(release)?.[0];
  if (series === undefined) throw new ImageBuildError(`Linux ${release} is of no series that is known here.`);
  return series;
}
