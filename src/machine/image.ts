/** The manifest beside a guest image, written by `npm run images` (see images/README.md). */
export interface ImageManifest {
  /** Version of this layout. */
  format: 1;
  name: string;
  title: string;
  description: string;
  /** The kernel as an ELF file, and an initramfs (cpio). */
  files: { kernel: ImageFile; initrd: ImageFile };
  /** The root file system, as a packed disk image (src/backends/disk/image/); without one the initramfs is all there is. */
  disk?: ImageDisk;
  /** The kernel's command line; a machine's `append` is put after it. */
  kernelParameters: string;
  /** The kernel takes `virtio_mmio.device=` parameters (CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES); it does not unless true. */
  mmioCommandLine?: boolean;
  /** The machine that the image expects, in bytes. */
  memory: { minimum: number; recommended: number };
  /** What it was made of, one entry a Debian package, with the pointer to its source. */
  packages: ImagePackage[];
}

export interface ImageDisk {
  /** The index of the packed image, relative to the manifest. */
  index: string;
  /** Bytes of the disk. */
  size: number;
  /** Bytes of all its parts as they are stored and transferred. A machine fetches what it touches. */
  storedSize: number;
  /** Stands for the content, as `DiskBase.identity`. */
  identity: string;
}

export interface ImageFile {
  /** Relative to the manifest. */
  path: string;
  encoding: "gzip" | "identity";
  /** Bytes as stored and transferred. */
  storedSize: number;
  /** Bytes after decoding. */
  size: number;
  /** SHA-256 of the decoded bytes, lower-case hex. */
  sha256: string;
}

export interface ImagePackage {
  name: string;
  version: string;
  architecture: string;
  /** SHA-256 of the .deb, as the signed package index has it. */
  sha256: string;
  /** Bytes of the .deb. */
  size: number;
  /** Debian's source package: `apt-get source NAME=VERSION` fetches it. */
  source: { name: string; version: string };
  /** Other sources whose code is in it, as its Built-Using field says. */
  builtUsing: { name: string; version: string }[];
  licence: string;
}

/** A guest image with its files decoded and their checksums verified. */
export interface GuestImage {
  manifest: ImageManifest;
  kernel: Uint8Array;
  initrd: Uint8Array;
}
