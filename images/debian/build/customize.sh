#!/bin/sh
# Run by mmdebstrap when all packages are installed: makes the image's own system of it, and a file system of that. $1 is the
# root. Beside this script are rootfs/ (our files), modules/RELEASE (kernel modules), and what file-system.sh needs.
set -eu
umask 022
root=$1
here=$(cd "$(dirname "$0")" && pwd)

# --- the system ---

cp -R --remove-destination --no-preserve=ownership "$here/rootfs/." "$root/"
chmod 440 "$root/etc/sudoers.d/user"
for name in init poweroff reboot halt; do ln -s ../bin/busybox "$root/usr/sbin/$name"; done
chroot "$root" useradd --uid 1000 --user-group --groups sudo --shell /bin/bash --create-home --password '*' user
cp "$root/etc/skel/.bashrc" "$root/root/.bashrc"
mkdir -p "$root/usr/lib/modules"
cp -R --no-preserve=ownership "$here/modules/." "$root/usr/lib/modules/"
chroot "$root" depmod "$(ls "$here/modules")"
ln -sf ../run/resolv.conf "$root/etc/resolv.conf"

# --- what the build left, and what would differ the next time ---

rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/cache/ldconfig/* \
	"$root"/var/lib/dpkg/*-old "$root"/var/log/* "$root"/tmp/* "$root"/run/*
rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/build "$root"/etc/.pwd.lock \
	"$root"/etc/machine-id "$root"/var/lib/apt/extended_states \
	"$root"/etc/passwd- "$root"/etc/shadow- "$root"/etc/group- "$root"/etc/gshadow- "$root"/etc/subuid- "$root"/etc/subgid-
: >"$root/var/log/wtmp"

# --- the file system ---

# Not of what is mounted in the new system meanwhile: a bind mount shows the directories below. Where mounting is not allowed,
# nothing is mounted there either.
if unshare --mount true 2>/dev/null; then
	mkdir "$here/tree"
	unshare --mount --propagation private sh -eu -c '
		mount --bind "$1" "$2/tree"
		mount -t tmpfs -o mode=755 none "$2/tree/dev"
		sh "$2/file-system.sh" "$2/tree"' sh "$root" "$here"
else
	rm -rf "$root"/dev/*
	sh "$here/file-system.sh" "$root"
fi
