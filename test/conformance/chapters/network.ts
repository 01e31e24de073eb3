import { type Chapter, from, onBoth, type Requirement, type TestName } from "../requirement.ts";

const device = from("virtio-net");
const control = from("virtio-net-control");
const features = from("virtio-net-features");
const config = features("MAC address, status, pairs, MTU, speed and duplex are where they belong");
const notOffered = from("virtio-features")(
  "2.2.2: network offers what it supports on each transport, and nothing else",
);
const native = features(
  ...["pci-legacy", "mmio-legacy"].map(
    (kind) =>
      `5.1.4.3, 5.1.6.1, 5.1.6.5: all is little-endian on a legacy interface, as the guest is (${kind})`,
  ),
);

/** A packet each way over every transport. */
function everywhere(merged: boolean): TestName[] {
  const settings = [
    "pci, split",
    "pci, packed",
    "pci-msix, split",
    "pci-msix, packed",
    "mmio, split",
    "mmio, packed",
  ];
  const legacy = ["pci-legacy, split", "pci-legacy-msix, split", "mmio-legacy, split"];
  return device(
    ...[...settings, ...legacy].map(
      (setting) =>
        `frames of all lengths and whole segments reach the wire, and come in (${setting}${merged ? ", MRG_RXBUF" : ""})`,
    ),
  );
}

const OFFLOADS = ["nothing", "GUEST_ECN", "GUEST_TSO6", "GUEST_TSO4", "all of them"];
/** What a driver gets that has not negotiated these. */
const done = (...missing: string[]): TestName[] =>
  device(
    ...missing.flatMap((name) =>
      ["", ", nor MRG_RXBUF"].map(
        (merged) => `what the driver cannot take is done for it: without ${name}${merged}`,
      ),
    ),
  );

const never = (must: string, feature: string): Requirement => ({
  must,
  notApplicable: `${feature} is not offered`,
  tests: notOffered,
});
const little = (must: string): Requirement => ({ must, tests: native });

export const network51: Chapter = {
  title: "5.1: network device",
  sections: [
    {
      number: "5.1.3.1",
      title: "Feature bit requirements",
      rows: {
        offered: {
          must: "offers no feature without the one that it requires (2.2.2)",
          tests: features(
            "2.2.2, 5.1.3.1: whatever is switched off, no feature is offered without the one that it needs",
          ),
        },
        accepted: {
          must: "refuses FEATURES_OK for a feature without the one that it requires",
          tests: features(
            ...onBoth(
              "2.2.2, 5.1.3.1: a feature without the one that it needs is refused, and with it taken",
            ),
          ),
        },
      },
    },
    {
      number: "5.1.4.1",
      title: "Device configuration layout",
      rows: {
        pairs: { must: "max_virtqueue_pairs is 1 to 0x8000, with MQ", tests: config },
        mtu: { must: "mtu is 68 to 65535, with MTU", tests: config },
        mtuFixed: {
          must: "never changes mtu",
          tests: features("5.1.4.1: mtu does not change, whatever happens"),
        },
        mtuReceived: {
          must: "with MTU passes on no packet without segmentation that is longer than it, headers not counted",
          tests: device("5.1.4.1: nothing longer than the MTU, tags not counted, with VIRTIO_NET_F_MTU"),
        },
        mtuSent: {
          must: "with MTU forwards packets up to it unfragmented",
          tests: device(
            "5.1.4.1: frames up to the MTU are forwarded, tags not counted; longer ones by a driver that knows no MTU",
          ),
        },
        rssKey: never("rss_max_key_size is at least 40", "VIRTIO_NET_F_RSS"),
        rssTable: never("rss_max_indirection_table_length is at least 128", "VIRTIO_NET_F_RSS"),
        speed: { must: "speed is in Mbit/s, with SPEED_DUPLEX", tests: config },
        // This sentence has 0 for full and 1 for half, the text before it the other way round, as every driver.
        duplex: { must: "duplex is that of the link, with SPEED_DUPLEX", tests: config },
      },
    },
    {
      number: "5.1.4.3",
      title: "Legacy interface: device configuration layout",
      rows: { native: little("status and max_virtqueue_pairs are in the guest's byte order") },
    },
    {
      number: "5.1.6.1",
      title: "Legacy interface: device operation",
      rows: {
        native: {
          must: "the header is in the guest's byte order",
          tests: everywhere(false).slice(-3),
        },
      },
    },
    {
      number: "5.1.6.2.2",
      title: "Packet transmission",
      rows: {
        flags: {
          must: "ignores flags that it does not know",
          tests: device(
            "5.1.6.2.2: flags that the device does not know are ignored, as is a checksum's place without NEEDS_CSUM",
          ),
        },
        checksumPlace: {
          must: "without NEEDS_CSUM uses neither csum_start nor csum_offset",
          tests: device(
            "5.1.6.2.2: flags that the device does not know are ignored, as is a checksum's place without NEEDS_CSUM",
          ),
        },
        headerLength: {
          must: "does not rely on hdr_len",
          tests: from("net-offload")(
            "TCP segments: each as a host would send it, and together what was to be sent",
          ),
        },
        checksum: {
          must: "without NEEDS_CSUM does not rely on the checksum",
          tests: device("5.1.6.4.1: DATA_VALID and num_buffers of a sender mean nothing to the driver"),
        },
      },
    },
    {
      number: "5.1.6.3.2",
      title: "Setting up receive buffers",
      rows: {
        count: {
          must: "num_buffers is the number of buffers that hold the packet",
          tests: device("5.1.6.4.1: num_buffers buffers, all but the last full, and no more than needed"),
        },
        one: {
          must: "uses one buffer for a packet without MRG_RXBUF",
          tests: device("5.1.6.3.2: one buffer each without MRG_RXBUF, and num_buffers is 1"),
        },
      },
    },
    {
      number: "5.1.6.4.1",
      title: "Processing of incoming packets",
      rows: {
        one: {
          must: "num_buffers is 1 without MRG_RXBUF",
          tests: device("5.1.6.3.2: one buffer each without MRG_RXBUF, and num_buffers is 1"),
        },
        spread: {
          must: "with MRG_RXBUF num_buffers is the number of buffers that the packet is spread over",
          tests: device("5.1.6.4.1: num_buffers buffers, all but the last full, and no more than needed"),
        },
        full: {
          must: "fills all those buffers but the last",
          tests: device("5.1.6.4.1: num_buffers buffers, all but the last full, and no more than needed"),
        },
        together: {
          must: "uses the buffers of a packet together",
          tests: device(
            "a packet waits until there are enough buffers, and what comes after it keeps its place",
          ),
        },
        flagsZero: { must: "flags are 0 without GUEST_CSUM", tests: done("all of them") },
        tso4: { must: "no gso_type TCPV4 without GUEST_TSO4", tests: done("GUEST_TSO4", "all of them") },
        ufo: never("no gso_type UDP without GUEST_UFO", "VIRTIO_NET_F_GUEST_UFO"),
        tso6: { must: "no gso_type TCPV6 without GUEST_TSO6", tests: done("GUEST_TSO6", "all of them") },
        uso: never("no gso_type UDP_L4 without GUEST_USO4 or GUEST_USO6", "VIRTIO_NET_F_GUEST_USO4"),
        ecn: { must: "with GUEST_ECN sets GSO_ECN for segments that need it", tests: done("nothing") },
        preceding: {
          must: "with NEEDS_CSUM the checksums before it are right",
          tests: everywhere(true),
        },
        pseudo: {
          must: "with NEEDS_CSUM the checksum of the pseudo header is in the packet",
          tests: everywhere(true),
        },
        place: {
          must: "with NEEDS_CSUM csum_start and csum_offset say how to complete it",
          tests: everywhere(true),
        },
        none: { must: "gso_type is NONE without GUEST_TSO4 and the like", tests: done("all of them") },
        needs: {
          must: "a gso_type comes with NEEDS_CSUM",
          tests: device("a header that lies, a runt, a giant: dropped and counted"),
        },
        size: { must: "a gso_type comes with gso_size", tests: everywhere(true) },
        rscInfo: never("with RSC_EXT sets RSC_INFO and its counts", "VIRTIO_NET_F_RSC_EXT"),
        rscNot: {
          must: "sets no RSC_INFO without RSC_EXT",
          tests: done(...OFFLOADS),
        },
        dataValid: {
          must: "sets DATA_VALID only when it has validated the checksum",
          tests: device(
            "5.1.6.4.1: DATA_VALID for checksums that were looked at and are right, with GUEST_CSUM switched on",
            "5.1.6.4.1: DATA_VALID and num_buffers of a sender mean nothing to the driver",
          ),
        },
      },
    },
    {
      number: "5.1.6.4.3",
      title: "Hash calculation for incoming packets",
      rows: {
        rss: never("with RSS supports MQ_RSS_CONFIG", "VIRTIO_NET_F_RSS"),
        hash: never("with HASH_REPORT supports MQ_HASH_CONFIG", "VIRTIO_NET_F_HASH_REPORT"),
      },
    },
    {
      number: "5.1.6.4.4.4",
      title: "Inner header hash",
      rows: {
        outer: never(
          "hashes the outer header where the encapsulation is not enabled",
          "VIRTIO_NET_F_HASH_TUNNEL",
        ),
        disable: never("disables it for all on 0 and on reset", "VIRTIO_NET_F_HASH_TUNNEL"),
      },
    },
    {
      number: "5.1.6.5.1.1",
      title: "Packet receive filtering",
      rows: {
        modes: {
          must: "with CTRL_RX supports PROMISC and ALLMULTI",
          tests: control("PROMISC", "PROMISC and off again", "PROMISC beats the others", "ALLMULTI"),
        },
        extra: {
          must: "with CTRL_RX_EXTRA supports ALLUNI, NOMULTI, NOUNI and NOBCAST",
          tests: control(
            "ALLUNI",
            "NOMULTI beats ALLMULTI, and is not about broadcasts",
            "NOUNI beats ALLUNI",
            "NOBCAST beats ALLMULTI",
            "NOBCAST and off again",
          ),
        },
      },
    },
    {
      number: "5.1.6.5.2.1",
      title: "Setting MAC address filtering",
      rows: {
        empty: {
          must: "has no address in its table after a reset",
          tests: control("the table of addresses is what comes in besides, until the next one, or a reset"),
        },
        table: {
          must: "has the new table before it gives MAC_TABLE_SET back",
          tests: control("the table of addresses is what comes in besides, until the next one, or a reset"),
        },
        mac: {
          must: "has the new `mac` before it gives MAC_ADDR_SET back",
          tests: control("MAC_ADDR_SET: the filter's address and `mac`, until a reset"),
        },
      },
    },
    {
      number: "5.1.6.5.2.3",
      title: "Legacy interface: setting MAC address filtering",
      rows: { native: little("the lists' lengths are in the guest's byte order") },
    },
    {
      number: "5.1.6.5.3.1",
      title: "VLAN filtering",
      rows: {
        all: { must: "accepts every tag without CTRL_VLAN", tests: control("all of them without CTRL_VLAN") },
        table: { must: "accepts the tags of the table", tests: control("only tags of the table come in") },
      },
    },
    {
      number: "5.1.6.5.3.2",
      title: "Legacy interface: VLAN filtering",
      rows: { native: little("a VLAN is in the guest's byte order") },
    },
    {
      number: "5.1.6.5.4.2",
      title: "Gratuitous packet sending",
      rows: {
        clear: {
          must: "clears ANNOUNCE before it gives ANNOUNCE_ACK back",
          tests: control(
            "ANNOUNCE is set with an interrupt, once until it is confirmed, and cleared by ANNOUNCE_ACK or a reset",
          ),
        },
      },
    },
    {
      number: "5.1.6.5.6",
      title: "Automatic receive steering in multiqueue mode",
      rows: {
        steering: {
          must: "steers by flow once VQ_PAIRS_SET has enabled it",
          tests: control("replies come to the pair that the flow was last sent on"),
        },
      },
    },
    {
      number: "5.1.6.5.6.2",
      title: "Automatic receive steering in multiqueue mode",
      rows: {
        first: {
          must: "uses receiveq1 alone after a reset",
          tests: control("only the first pair is used until VQ_PAIRS_SET, and again after a reset"),
        },
        fewer: {
          must: "uses no receive queue beyond virtqueue_pairs once VQ_PAIRS_SET is given back",
          tests: control(
            "with fewer pairs what waited for the others goes to the first, and nothing to the others any more",
          ),
        },
        drop: {
          must: "drops packets while all receive queues are being reset",
          tests: control(
            "5.1.6.5.6.2: a queue that is being reset is passed over; when all are, packets are dropped",
          ),
        },
      },
    },
    {
      number: "5.1.6.5.6.3",
      title: "Legacy interface: automatic receive steering in multiqueue mode",
      rows: { native: little("virtqueue_pairs is in the guest's byte order") },
    },
    {
      number: "5.1.6.5.6.4",
      title: "Hash calculation",
      rows: { command: never("with HASH_REPORT supports its configuration", "VIRTIO_NET_F_HASH_REPORT") },
    },
    {
      number: "5.1.6.5.7.3",
      title: "RSS processing",
      rows: {
        queue: never("finds the queue by hash and indirection table", "VIRTIO_NET_F_RSS"),
        drop: never("drops packets for a queue that is being reset", "VIRTIO_NET_F_RSS"),
      },
    },
    {
      number: "5.1.6.5.8.3",
      title: "Legacy interface: setting offloads state",
      rows: { native: little("offloads are in the guest's byte order") },
    },
    {
      number: "5.1.6.5.9.6",
      title: "Notifications coalescing",
      rows: {
        reserved: never("ignores reserved", "VIRTIO_NET_F_VQ_NOTF_COAL"),
        error: never("answers NOTF_COAL_VQ_SET with an error when it cannot", "VIRTIO_NET_F_VQ_NOTF_COAL"),
        queue: never("answers for a queue that is not enabled with an error", "VIRTIO_NET_F_VQ_NOTF_COAL"),
        transmit: never("restores a transmit queue's parameters", "VIRTIO_NET_F_VQ_NOTF_COAL"),
        receive: never("restores a receive queue's parameters", "VIRTIO_NET_F_VQ_NOTF_COAL"),
        reset: never("has all parameters at 0 after a reset", "VIRTIO_NET_F_NOTF_COAL"),
      },
    },
  ],
};
