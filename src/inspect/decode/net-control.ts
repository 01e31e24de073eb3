import { macText } from "../../net/ethernet.ts";
import { NetControl } from "../../virtio/spec.ts";
import { type DecodedLayer, flags, hex, LayerReader, named, sizeShown } from "./layer.ts";

/** Addresses of a filter table that are shown. */
const MOST_ADDRESSES = 64;

const { RX, MAC, VLAN, ANNOUNCE, MQ, GUEST_OFFLOADS } = NetControl;

/** Classes of commands with their section and commands (5.1.6.5). */
const CLASSES: Readonly<
  Record<number, { name: string; section: string; commands: Readonly<Record<number, string>> }>
> = {
  [RX]: {
    name: "VIRTIO_NET_CTRL_RX",
    section: "5.1.6.5.1",
    commands: {
      [NetControl.RX_PROMISC]: "PROMISC: receive everything",
      [NetControl.RX_ALLMULTI]: "ALLMULTI: receive all multicasts",
      [NetControl.RX_ALLUNI]: "ALLUNI: receive all unicasts",
      [NetControl.RX_NOMULTI]: "NOMULTI: receive no multicasts",
      [NetControl.RX_NOUNI]: "NOUNI: receive no unicasts",
      [NetControl.RX_NOBCAST]: "NOBCAST: receive no broadcasts",
    },
  },
  [MAC]: {
    name: "VIRTIO_NET_CTRL_MAC",
    section: "5.1.6.5.2",
    commands: {
      [NetControl.MAC_TABLE_SET]: "TABLE_SET: the addresses to receive packets for",
      [NetControl.MAC_ADDR_SET]: "ADDR_SET: the device's own address",
    },
  },
  [VLAN]: {
    name: "VIRTIO_NET_CTRL_VLAN",
    section: "5.1.6.5.3",
    commands: { [NetControl.VLAN_ADD]: "ADD", [NetControl.VLAN_DEL]: "DEL" },
  },
  [ANNOUNCE]: {
    name: "VIRTIO_NET_CTRL_ANNOUNCE",
    section: "5.1.6.5.4",
    commands: { [NetControl.ANNOUNCE_ACK]: "ACK: the driver has made its address known" },
  },
  [MQ]: {
    name: "VIRTIO_NET_CTRL_MQ",
    section: "5.1.6.5.6",
    commands: { [NetControl.MQ_VQ_PAIRS_SET]: "VQ_PAIRS_SET: how many pairs of queues to use" },
  },
  [GUEST_OFFLOADS]: {
    name: "VIRTIO_NET_CTRL_GUEST_OFFLOADS",
    section: "5.1.6.5.8",
    commands: { [NetControl.GUEST_OFFLOADS_SET]: "SET: the receive offloads to use" },
  },
};

const OFFLOADS = flags(
  [
    [1 << 1, "GUEST_CSUM"],
    [1 << 7, "GUEST_TSO4"],
    [1 << 8, "GUEST_TSO6"],
    [1 << 9, "GUEST_ECN"],
    [1 << 10, "GUEST_UFO"],
  ],
  1,
);

/** What a command is called, in a sentence: "VIRTIO_NET_CTRL_RX PROMISC". */
export function controlName(bytes: Uint8Array): string | undefined {
  if (bytes.length < 2) return undefined;
  const known = CLASSES[bytes[0]!];
  const command = known?.commands[bytes[1]!]?.split(":")[0];
  return `${known?.name ?? `class ${bytes[0]!}`} ${command ?? `command ${bytes[1]!}`}`;
}

/** A command from its first byte on (5.1.6.5). */
export function decodeControl(bytes: Uint8Array): DecodedLayer {
  const known = CLASSES[bytes[0] ?? -1];
  const reader = new LayerReader("Control command", bytes, 0, bytes.length, known?.section ?? "5.1.6.5");
  const group = reader.number("class", 1, named(namesOfClasses()));
  const command = reader.number("command", 1, named(known?.commands ?? {}));
  if (group === RX) reader.number("on", 1, named({ 0: "off", 1: "on" }));
  else if (group === MAC && command === NetControl.MAC_ADDR_SET) reader.raw("mac", 6, macText);
  else if (group === MAC && command === NetControl.MAC_TABLE_SET) {
    addresses(reader, "unicast");
    addresses(reader, "multicast");
  } else if (group === VLAN) reader.number("vlan", 2);
  else if (group === MQ) reader.number("virtqueue_pairs", 2);
  else if (group === GUEST_OFFLOADS) {
    reader.wide("offloads", (offloads) => ({
      value: `0x${offloads.toString(16)}`,
      meaning: (OFFLOADS(Number(offloads & 0xffffffffn)) as { meaning: string }).meaning,
    }));
  }
  reader.rest("more", sizeShown);
  return reader.layer;
}

export function decodeControlAck(bytes: Uint8Array): DecodedLayer {
  const reader = new LayerReader("Control command's answer", bytes, 0, 1, "5.1.6.5");
  reader.number("ack", 1, (ack) => ({
    value: hex(ack, 2),
    meaning: { [NetControl.OK]: "VIRTIO_NET_OK", [NetControl.ERR]: "VIRTIO_NET_ERR" }[ack] ?? "not known",
  }));
  return reader.layer;
}

/** struct virtio_net_ctrl_mac. */
function addresses(reader: LayerReader, kind: string): void {
  const entries = reader.number(`${kind} entries`, 4);
  if (entries === undefined) return;
  const shown = Math.min(entries, MOST_ADDRESSES);
  for (let i = 0; i < shown; i++) if (!reader.raw(`${kind} ${i + 1}`, 6, macText)) return;
  const hidden = (entries - shown) * 6;
  if (hidden > 0) reader.raw(`${entries - shown} more`, hidden, sizeShown);
}

function namesOfClasses(): Record<number, string> {
  return Object.fromEntries(Object.entries(CLASSES).map(([group, { name }]) => [group, name]));
}
