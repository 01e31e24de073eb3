/** What the guest of a reliability run does, as a shell library, and the bytes that it writes. */

/** Bytes in a block of the workload; blocks in the ring, a file that is overwritten again and again. */
export const BLOCK = 4096;
export const RING = 256;

/** Every so many blocks one goes into a file of its own, too; files of so many blocks ago are removed. */
export const FILE_EVERY = 8;
export const FILES_KEPT = 160;

/** Text in every line of which there are the block's number, the line's, a checksum of both, and both again. */
export function blockText(n: number): string {
  let text = "";
  for (let line = 0; line < BLOCK / 64; line++) {
    const sum = (n * 7919 + line * 104729) % 1000003;
    text += `${digits(n, 10)} ${digits(line, 2)} ${digits(sum, 10)} ${digits(n * 64 + line, 38)}\n`;
  }
  return text;
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

/** Text that a base holds, and its maker in the guest. */
export const BASE_LINES = 150_000;
export function baseText(): string {
  return Array.from({ length: BASE_LINES }, (_, line) => `${line + 1}\n`).join("");
}

/** Where the library is in the guest. Every command begins with it. */
export const LIBRARY = "/run/reliability.sh";

const script = `
device() {
	for serial in /sys/block/vd*/serial; do
		read -r name <"$serial"
		[ "$name" = "$1" ] || continue
		name=\${serial#/sys/block/}
		echo "/dev/\${name%/serial}"
		return
	done
	echo "there is no disk $1"
	return 1
}

# Makes a file system on the disk $1.
make() {
	modprobe -a crc32c_generic ext4
	mkfs.ext4 -q -F -b 4096 -J size=4 "$(device "$1")" && mkdir -p "/mnt/$1" && attach "$1" && mkdir "/mnt/$1/d"
}

attach() {
	mount -t ext4 -o discard,errors=remount-ro "$(device "$1")" "/mnt/$1"
}

# Mounting replays the journal; after that e2fsck has to find nothing.
check() {
	modprobe -a crc32c_generic ext4
	mkdir -p "/mnt/$1"
	attach "$1" && umount "/mnt/$1" || return 11
	e2fsck -fn "$(device "$1")" 2>&1 || return 12
	attach "$1"
}

blocks() {
	awk -v from="$1" -v count="$2" 'BEGIN {
		for (n = from; n < from + count; n++)
			for (line = 0; line < ${BLOCK / 64}; line++)
				printf "%010d %02d %010d %038d\\n", n, line, (n * 7919 + line * 104729) % 1000003, n * 64 + line
	}'
}

# Writes $3 blocks from number $2 on to the disk $1, each synced before the next.
work() {
	cd "/mnt/$1" || return
	blocks "$2" "$3" | {
		n=$2
		while [ $n -lt $(($2 + $3)) ]; do
			dd bs=${BLOCK} count=1 iflag=fullblock of=ring seek=$((n % ${RING})) conv=notrunc,fsync 2>/dev/null || exit 20
			if [ $((n % ${FILE_EVERY})) = 0 ]; then
				blocks $n 1 | dd bs=${BLOCK} count=1 iflag=fullblock of=d/$n conv=fsync 2>/dev/null || exit 21
				rm -f d/$((n - ${FILES_KEPT}))
			fi
			n=$((n + 1))
		done
	}
}

# Names and sizes, then the contents.
dump() {
	cd "/mnt/$1" || return
	stat -c '%n %s' ring d/* 2>/dev/null
	echo --
	cat ring d/* 2>/dev/null
	true
}
`;

/** A command that puts the library in its place. */
export const INSTALL = `cat >${LIBRARY} <<'END'\n${script}\nEND`;
