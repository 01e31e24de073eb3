/** What the root file system consists of, beside Debian's essential packages and what all of these need. */
export const rootPackages: readonly string[] = [
  // /sbin/init, and a client for DHCP.
  ...["busybox-static", "udhcpc"],
  // The system.
  ...[
    "apt",
    "ca-certificates",
    "e2fsprogs",
    "fdisk",
    "iproute2",
    "iputils-ping",
    "kmod",
    "mount",
    "netbase",
    "pciutils",
    "procps",
    "sudo",
  ],
  // For a person at the shell.
  ...["bash-completion", "curl", "git", "less", "nano", "python3-minimal", "tmux", "vim-tiny"],
  // To build: tcc is a tenth of gcc's size and ten times as fast. It is /usr/bin/cc.
  ...["libc6-dev", "make", "tcc"],
  // To look on and to measure.
  ...["ethtool", "fio", "iperf3", "strace", "tcpdump"],
];

/** Modules for the root file system: those of the initramfs, which it may be asked for again, and what is useful there. */
export const rootModules: readonly string[] = [
  ...["9p", "9pnet_virtio", "fuse", "isofs", "loop", "overlay", "squashfs", "vfat"],
  ...["nls_ascii", "nls_cp437", "nls_iso8859_1", "nls_utf8"],
  ...["8021q", "bridge", "dm_mod", "dummy", "macvlan", "tun", "veth", "zram"],
  // The network card of a plain v86 or QEMU.
  "ne2k-pci",
];

/** Modules for the initramfs: our devices' drivers, ext4, and the IDE controller of a plain v86 or QEMU. */
export const initramfsModules: readonly string[] = [
  ...["virtio_pci", "virtio_mmio", "virtio_console", "virtio_blk", "virtio_rng", "virtio_net"],
  ...["virtio_balloon", "virtio_input", "9pnet_virtio"],
  // ext4 asks for the second by the name of an algorithm, not of a module.
  ...["ext4", "crc32c_generic"],
  ...["ata_piix", "ata_generic", "sd_mod"],
];
