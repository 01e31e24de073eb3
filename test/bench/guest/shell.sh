# The benchmark's end in the guest: runs each line that comes over the console and marks where its output begins and ends.
# Both peers run it, on whatever their console is. No prompt, no echo, no kernel messages in between.
stty -echo
echo 1 >/proc/sys/kernel/printk
# The agent looks for its ports every second where there are none (on the peer): nobody shall do anything but the work.
for status in /proc/[0-9]*/cmdline; do
	case $(tr '\0' ' ' <"$status" 2>/dev/null) in
	*ringside-agent*) process=${status%/cmdline} && kill -STOP "${process#/proc/}" ;;
	esac
done
echo "@@ready"
while IFS= read -r line; do
	echo "@@begin"
	eval "$line"
	echo "@@end $?"
done
