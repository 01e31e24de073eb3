import { type Chapter, from } from "../requirement.ts";

const status = from("virtio-status");
const features = from("virtio-features");
const legacy = from("virtio-legacy");

const offered = legacy(
  "6.3: every device offers ANY_LAYOUT and bit 30 besides what it has below bit 32, and nothing else",
);

export const reserved: Chapter = {
  title: "6: reserved feature bits",
  sections: [
    {
      number: "6.2",
      title: "Reserved feature bits",
      rows: {
        version1: {
          must: "offers VERSION_1",
          tests: status(
            "2.2: offers VERSION_1 always, three features unless switched off, the others when switched on",
          ),
        },
        inOrder: {
          must: "with IN_ORDER uses buffers in the order in which they became available",
          tests: from("virtio-in-order")(
            "6.2: what is done early waits for those before it, and keeps its length",
            "6.2: any order of completion over many laps (EVENT_IDX)",
            "6.2: any order of completion over many laps (flags)",
          ),
        },
        sriov: {
          must: "offers SR_IOV only with an SR-IOV capability",
          tests: features("2.12, 2.13: no device offers administration virtqueues or SR-IOV"),
        },
      },
    },
    {
      number: "6.3",
      title: "Legacy interface: reserved feature bits",
      rows: {
        notifyOnEmpty: {
          must: "with NOTIFY_ON_EMPTY sends a notification when a queue has run empty, suppressed or not",
          notApplicable: "VIRTIO_F_NOTIFY_ON_EMPTY is not offered",
          tests: offered,
        },
        anyLayout: { must: "a transitional device offers ANY_LAYOUT", tests: offered },
        unused: {
          must: "and bit 30, which no driver should accept",
          tests: [
            ...offered,
            ...legacy("6.3: a driver that accepts bit 30 does not know what it accepts, and gets nothing"),
          ],
        },
      },
    },
  ],
};
