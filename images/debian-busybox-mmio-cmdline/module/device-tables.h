/*
 * Read before virtio_mmio.c. Debian's modpost for an amd64 or arm64 machine knows the structures of a device table by their
 * 64-bit sizes and refuses those of a 32-bit module; so the tables are left out of its sight, and the aliases that it would
 * make of them (see modinfo of Debian's own virtio_mmio.ko) stand here.
 */
#define pr_fmt(fmt) "virtio-mmio: " fmt
#include <linux/module.h>
#undef MODULE_DEVICE_TABLE
#define MODULE_DEVICE_TABLE(type, name)
MODULE_ALIAS("acpi*:LNRO0005:*");
MODULE_ALIAS("of:N*T*Cvirtio,mmio");
MODULE_ALIAS("of:N*T*Cvirtio,mmioC*");
