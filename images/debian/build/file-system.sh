#!/bin/sh
# Makes an ext4 file system of the directory $1. Beside this script are disk.raw (empty, of the disk's size) and identity (a
# UUID and a label). The time is SOURCE_DATE_EPOCH.
set -eu
root=$1
here=$(cd "$(dirname "$0")" && pwd)
read -r uuid label <"$here/identity"

# Debian's own programs out of the new system, whatever this machine has.
program() {
	name=$1
	shift
	E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH MKE2FS_CONFIG="$root/etc/mke2fs.conf" "$root/usr/lib/ld-linux.so.2" \
		--library-path "$root/usr/lib/i386-linux-gnu" "$root/usr/sbin/$name" "$@"
}

# Files that are read on the way to a login come first and side by side: mke2fs writes what it meets first, in the order of
# names, and a second name of a file costs nothing. The second names are taken away again.
mkdir "$root/.hot"
count=1000
: >"$here/commands"
while read -r path; do
	[ -f "$root$path" ] && ! [ -L "$root$path" ] || continue
	ln "$root$path" "$root/.hot/$((count += 1))"
	echo "rm /.hot/$count" >>"$here/commands"
done <"$root/usr/lib/ringside/hot"
echo "rmdir /.hot" >>"$here/commands"

# Features: ext4's usual ones but those that cost time on each write (metadata_csum, on a CPU without instructions for it) or
# space for nothing (resize_inode, 64bit). All that is read at mounting lies together at the beginning. The inode tables are
# whole (not lazy), so that the kernel has nothing to clear later.
features=none,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super2,large_file,huge_file,uninit_bg,dir_nlink,extra_isize,has_journal
options=root_owner=0:0,hash_seed=$uuid,lazy_itable_init=0,lazy_journal_init=0,packed_meta_blocks=1,nodiscard
program mke2fs -q -t ext4 -O $features -b 4096 -I 256 -i 16384 -m 0 -J size=16 -L "$label" -U "$uuid" -E "$options" \
	-d "$root" "$here/disk.raw"
program debugfs -w -f "$here/commands" "$here/disk.raw" >"$here/debugfs.log" 2>&1
program e2fsck -fn "$here/disk.raw" >"$here/e2fsck.log" || {
	cat "$here/debugfs.log" "$here/e2fsck.log"
	exit 1
}
