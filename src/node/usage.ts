import { describeGrammar } from "../config/help.ts";
import { Status } from "./status.ts";

/** The text of `ringside --help`. */
export function usage(): string {
  return `Ringside: a PC of virtio devices around v86's CPU, with an unmodified Linux kernel in it.

  ringside run [CONFIG] [options]   boot a machine; without --exec the terminal is the guest's console
  ringside images                   list the guest images that are here, and how to make them
  ringside image pack DISK          pack a disk (raw, qcow2, vmdk, …) into a folder for a web server
  ringside image info IMAGE         what a packed image is: a folder, its index.json or their address
  ringside image verify IMAGE       read all of it; 0 when every chunk is there and right, 1 when not
  ringside trace RECORDING          what a recording holds; --to perfetto or pcapng turns it into that
  ringside relay                    rooms for machines with wire=room:NAME; ringside relay --help
  ringside --help, --version

Options of run:
  --exec COMMANDS      run shell commands in the guest: output to stdout and stderr, their status is ours
  --timeout SECONDS    end after that time, boot included
  --console            with --exec: what the guest's console says goes to stderr
  --size COLUMNSxROWS  the size of the guest's terminal; that of the window unless given
  --images FOLDER      where the guest images are; public/images unless given
  --strict             check all that virtio 1.3 demands of the guest's drivers: faults go to stderr,
                       each once, with section, queue, descriptor and what was seen; strict=on is the same
  --capture FILE       every packet of every network device into a pcapng file, for Wireshark
  --record FILE        all that crosses between guest and hypervisor into a file, by its name's end: .ringside
                       (opens again), .json (Perfetto, chrome://tracing) or .pcapng (packets' beginnings)
  --record-sample N    bytes kept of each request and packet; 256 unless given
  --account            with --exec: what the commands cost, as a table on stderr
  --image, --memory, --append, --mmio, --device VALUE
                       words of CONFIG as options, put after it; --device may be repeated

Options of image pack:
  --output FOLDER      where the image goes; unless given, a folder here with the disk's name
  --chunk-size SIZE    bytes that are fetched together, a power of two from 4K to 4M; 128K unless given

Options of trace:
  --to FORMAT          perfetto (JSON for ui.perfetto.dev and chrome://tracing) or pcapng (packets)
  --output FILE        where that goes

On a console Ctrl-] leaves. Text from a pipe is typed when the guest is up. A machine is powered off before we
exit; one whose commands were still running has its power cut, and keeps what it had flushed to its disks.

Exit status: with --exec that of the commands, otherwise
  ${Status.ok}    the machine was powered off, by the guest or by Ctrl-]
  ${Status.failure}    an image or a disk cannot be opened, or something of ours failed
  ${Status.usage}    the command line or CONFIG makes no sense
  ${Status.violations}    with --strict: the drivers broke something, whatever the commands' or the guest's own status
  ${Status.timeout}  the time was over
  ${Status.guestGone}  the guest crashed, or with --exec powered off or restarted before the commands ended
  128 and a signal's number: ended by that signal

CONFIG
${describeGrammar("node")}

For example
  ringside run --exec 'uname -a; cat /proc/interrupts'
  ringside run 'memory=128M&device=blk,id=home,path=home.img,size=1G,transport=mmio'
`;
}
