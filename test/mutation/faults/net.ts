import type { Fault } from "../fault.ts";

type Partly = Omit<Fault, "file" | "tests"> & Partial<Fault>;
const fault =
  (file: string, ...tests: string[]) =>
  (given: Partly): Fault => ({ file, tests, ...given });

const offload = fault("src/net/offload.ts", "net-offload");
const model = fault("src/virtio/net/model.ts", "virtio-net-features");
const device = fault("src/virtio/net.ts", "virtio-net-control");
const receive = fault("src/virtio/net/receive.ts", "virtio-net");
const transmit = fault("src/virtio/net/transmit.ts", "virtio-net");
const control = fault("src/virtio/net/control.ts", "virtio-net-control");
const filter = fault("src/virtio/net/filter.ts", "virtio-net-control");
const steering = fault("src/virtio/net/steering.ts", "virtio-net-control");

/** The network device, and what is done for peers without offloads. */
export const NET_FAULTS: readonly Fault[] = [
  offload({
    wrong: "takes a gso_size of 0 for possible",
    find: "size < LEAST_GSO_SIZE || ",
    replace: "",
  }),
  offload({
    wrong: "a checksum may lie behind the frame",
    find: "start < ETHERNET || start + offset + 2 > length",
    replace: "start < ETHERNET",
  }),
  offload({
    wrong: "segments what has no NEEDS_CSUM",
    find: "if (!(packet[Field.flags]! & Flag.NEEDS_CSUM))",
    replace: "if (false)",
  }),
  offload({
    wrong: "segments fragments",
    find: "const whole = (get16(packet, ip + 6) & 0x3fff) === 0; // more fragments, or an offset",
    replace: "const whole = true;",
  }),
  offload({
    wrong: "FIN and PSH in every segment",
    find: "if (index < count - 1) piece[tcp + 13]! &= ~FIN_PSH;",
    replace: "",
  }),
  offload({
    wrong: "CWR in every segment",
    find: "if (index > 0) piece[tcp + 13]! &= ~CWR;",
    replace: "",
  }),
  offload({
    wrong: "the same IPv4 identification in every segment",
    find: "(get16(piece, ip + 4) + index) & 0xffff",
    replace: "get16(piece, ip + 4)",
  }),
  offload({
    wrong: "sequence numbers count segments",
    find: "get32(piece, tcp + 4) + index * size",
    replace: "get32(piece, tcp + 4) + index",
  }),
  offload({
    wrong: "a checksum of 0 stays 0",
    find: "checksum === 0 ? 0xffff : checksum",
    replace: "checksum",
  }),
  offload({
    wrong: "one VLAN tag at most",
    find: "tags < 2 &&",
    replace: "tags < 1 &&",
  }),
  model({
    wrong: "HOST_TSO4 without CSUM is offered",
    find: "checksums && hostTso4 !== false]",
    replace: "hostTso4 !== false]",
  }),
  model({
    wrong: "GUEST_ECN without segmentation is accepted",
    find: "  [Feature.network.GUEST_ECN, [Feature.network.GUEST_TSO4, Feature.network.GUEST_TSO6]],\n",
    replace: "",
  }),
  model({
    wrong: "MQ without the control queue",
    find: "[Feature.network.MQ, control && queues > 1]",
    replace: "[Feature.network.MQ, queues > 1]",
  }),
  device({
    wrong: "the control queue is behind all pairs also without MQ",
    find: "const pairs = this.has(Feature.network.MQ) ? this.#mostPairs : 1;",
    replace: "const pairs = this.#mostPairs;",
  }),
  device({
    wrong: "a control queue without CTRL_VQ",
    find: "index === 2 * pairs && this.has(Feature.network.CTRL_VQ)",
    replace: "index === 2 * pairs",
  }),
  device({
    wrong: "a reset leaves the driver's MAC address",
    find: "    this.#mac = this.#ownMac;\n    writeMac(this.config, this.#mac);\n    this.config",
    replace: "    this.config",
  }),
  device({
    wrong: "a reset leaves the filters",
    find: "this.#filter.reset();",
    replace: "",
  }),
  device({
    wrong: "a link that changes makes no interrupt",
    find: 'this.config.set("status", netStatus(this.#linkUp, this.#announcing));\n    this.configChanged();',
    replace: 'this.config.set("status", netStatus(this.#linkUp, this.#announcing));',
  }),
  device({
    wrong: "announces to drivers that do not know it",
    find: "|| !this.has(Feature.network.GUEST_ANNOUNCE) ",
    replace: "",
  }),
  receive({
    wrong: "num_buffers is 1 also when a packet is spread",
    find: "    setBuffers(packet, count);\n    let at = 0;",
    replace: "    setBuffers(packet, 1);\n    let at = 0;",
  }),
  receive({
    wrong: "a legacy header of 12 bytes without MRG_RXBUF",
    find: "const header = this.#owner.legacy() ? Field.buffers : HEADER;",
    replace: "const header = HEADER as number;",
  }),
  receive({
    wrong: "passes on packets longer than the MTU",
    find: "packet.length - networkAt(packet) > this.#mtu",
    replace: "false",
  }),
  receive({
    wrong: "VLAN tags count for the MTU",
    find: "packet.length - networkAt(packet) > this.#mtu",
    replace: "true",
  }),
  receive({
    wrong: "gives ECN to drivers that do not know it",
    find: "if (type & Gso.ECN && !this.#guestEcn) return false;",
    replace: "",
  }),
  receive({
    wrong: "gives segments over IPv6 to drivers that know those over IPv4",
    find: "? this.#guestTso4 : this.#guestTso6",
    replace: "? this.#guestTso4 : this.#guestTso4",
  }),
  receive({
    wrong: "hands on the sender's flags",
    find: "packet[Field.flags]! &= Flag.NEEDS_CSUM;",
    replace: "",
  }),
  receive({
    wrong: "holds as much as comes",
    find: "if (this.#exceeds(BACKLOG.most, packet.length)) this.#owner.counters.droppedFull++;\n    else {",
    replace: "{",
  }),
  receive({
    wrong: "never asks the wire to hold back",
    find: "return !this.#holding;",
    replace: "return true;",
  }),
  receive({
    wrong: "the wire is never told to go on",
    find: "    this.#owner.resume();\n    return true;",
    replace: "    return true;",
  }),
  receive({
    wrong: "what the wire sends while it is told to go on waits for the next kick",
    find: "while (this.#release() && lane.backlog.length > 0);",
    replace: "while (this.#release() && false);",
  }),
  receive({
    wrong: "waits for ever for buffers that cannot come",
    find: 'return lane.couldHold(packet.length) ? "later" : "tooLong";',
    replace: 'return "later";',
  }),
  receive({
    wrong: "keeps buffers over a reset of their queue",
    find: "if (this.held.length > 0 && !this.held[0]!.inFlight) this.forget();",
    replace: "",
  }),
  receive({
    wrong: "fewer pairs leave packets behind",
    find: "first.backlog.push(packet);",
    replace: "",
    tests: ["virtio-net-control"],
  }),
  receive({
    wrong: "steers into queues that are being reset",
    find: "if (lane.queue.enabled) return lane;",
    replace: "return lane;",
    tests: ["virtio-net-control"],
  }),
  receive({
    wrong: "a reset leaves several pairs in use",
    find: "    this.#pairs = 1;\n    this.#steering.forget();",
    replace: "    this.#steering.forget();",
    tests: ["virtio-net-control"],
  }),
  transmit({
    wrong: "sends what the driver has not negotiated",
    find: "if (!known) return {",
    replace: "if (false) return {",
  }),
  transmit({
    wrong: "sends packets whose header lies",
    find: 'if (what) return { rule: "5.1.6.2.1 header", what };',
    replace: "",
  }),
  transmit({
    wrong: "sends on when the wire has no room",
    find: "    this.#blocked = true;\n",
    replace: "",
  }),
  transmit({
    wrong: "does not go on when the wire has room again",
    find: "    this.#owner.runTransmit();\n  };",
    replace: "  };",
  }),
  transmit({
    wrong: "a bad packet's buffer does not come back",
    find: "      const packet = this.#read(queue, chain);\n      queue.put(chain, 0);",
    replace: "      const packet = this.#read(queue, chain);\n      if (packet) queue.put(chain, 0);",
  }),
  transmit({
    wrong: "sends without carrier",
    find: "if (!this.#owner.linkUp()) {",
    replace: "if (false) {",
  }),
  transmit({
    wrong: "a legacy header of 12 bytes in packets to send",
    find: "const short = this.#owner.legacy() && !this.#owner.has(Feature.network.MRG_RXBUF);",
    replace: "const short = false;",
  }),
  transmit({
    wrong: "sends from pairs that are not in use",
    find: "if (packet && inUse) this.#send(packet, pair);",
    replace: "if (packet) this.#send(packet, pair);",
    tests: ["virtio-net-control"],
  }),
  control({
    wrong: "a fault is acknowledged as done",
    find: "fault ? NetControl.ERR : NetControl.OK",
    replace: "NetControl.OK",
  }),
  control({
    wrong: "reads addresses behind the end of a table",
    find: "      if (count * 6 > reader.remaining) return cutShort(NetControl.MAC, NetControl.MAC_TABLE_SET);\n",
    replace: "",
  }),
  control({
    wrong: "no pairs at all",
    find: "if (pairs < 1 || pairs",
    replace: "if (pairs",
  }),
  control({
    wrong: "switches on offloads that were not negotiated",
    find: "if (offloads & ~allowed) {",
    replace: "if (false) {",
  }),
  filter({
    wrong: "NOMULTI is about broadcasts, too",
    find: "if (address === BROADCAST) return !this.noBroadcast;",
    replace: "if (address === BROADCAST) return !this.noBroadcast && !this.noMulticast;",
  }),
  filter({
    wrong: "ALLUNI beats NOUNI",
    find: "if (this.noUnicast) return false;",
    replace: "if (this.noUnicast && !this.allUnicast) return false;",
  }),
  filter({
    wrong: "a VLAN's priority counts for its number",
    find: "const id = get16(packet, HEADER + ETHERNET) & (VLANS - 1);",
    replace: "const id = (get16(packet, HEADER + ETHERNET) >>> 4) & (VLANS - 1);",
  }),
  filter({
    wrong: "VLANs are filtered without CTRL_VLAN",
    find: "if (this.byVlan && !this.#acceptsTag(packet))",
    replace: "if (!this.#acceptsTag(packet))",
  }),
  steering({
    wrong: "a flow and its replies have different hashes",
    find: "const difference = get16(packet, at) ^ get16(packet, at + 2);",
    replace: "const difference = get16(packet, at) + 3 * get16(packet, at + 2);",
  }),
  steering({
    wrong: "forgets which pair a flow was sent on",
    find: "this.#pairs[flowHash(packet) & (ENTRIES - 1)] = pair + 1;",
    replace: "",
  }),
];
