import { type Chapter, from } from "../requirement.ts";

const ring = from("virtio-ring");
const block = from("virtio-block");
const order = from("virtio-split-order");
const legacy = from("virtio-legacy");
const PLACEMENTS = ["direct", "indirect", "unaligned-indirect", "mixed"];

export const split: Chapter = {
  title: "2.7: split virtqueues",
  sections: [
    {
      number: "2.7.2",
      title: "Legacy interface: virtqueue layout",
      rows: {
        layout: {
          must: "finds table, available ring and used ring in one piece, the used ring at the next Queue Align",
          tests: [
            ...from("virtio-pci-legacy")(
              "4.1.5.1.3.1: the address counts pages of 4096 bytes, starts the queue, and 0 takes it away",
            ),
            ...from("virtio-mmio-legacy")(
              "2.7.2: QueuePFN places the queue in one piece, in pages of GuestPageSize, the used ring at QueueAlign",
            ),
          ],
        },
      },
    },
    {
      number: "2.7.3",
      title: "Legacy interface: virtqueue endianness",
      rows: {
        native: {
          must: "reads and writes the queue's fields in the guest's byte order",
          tests: legacy(
            "2.7.3, 5.2.4.1, 5.2.6.3: a disk's rings, configuration and requests are little-endian, as the guest is",
          ),
        },
      },
    },
    {
      number: "2.7.4.1",
      title: "Message framing",
      rows: {
        framing: {
          must: "assumes nothing about how a request is cut into descriptors",
          tests: [
            ...block(
              ...PLACEMENTS.flatMap((placement) =>
                ["1", "3", "15, 2"].map(
                  (pieces) => `2.7.4.1: framing means nothing: pieces of ${pieces} bytes (${placement})`,
                ),
              ),
            ),
            ...from("virtio-workload")(
              "2.7.4, 2.8.5, 5.2.6: split and packed, PCI and MMIO give the same, which is what an array gives",
            ),
          ],
        },
      },
    },
    {
      number: "2.7.5.1",
      title: "Descriptor table",
      rows: {
        readOnlyBuffers: {
          must: "does not write to a device-readable buffer",
          tests: [
            ...ring(
              ...PLACEMENTS.map(
                (p) => `2.7.5: readable bytes, then writable ones, whatever the segments (${p})`,
              ),
            ),
            ...from("virtio-entropy")(
              "5.4.6.1: a readable buffer is the driver's mistake, and stays as it is",
            ),
            ...from("virtio-hostile")(
              "2.7.5.1: random rings: no exception, and no byte written that a well-formed chain did not offer",
            ),
          ],
        },
        table: {
          must: "does not write to a descriptor table",
          tests: ring("2.7.5.1: descriptor table and available ring are never written"),
        },
      },
    },
    {
      number: "2.7.5.3.2",
      title: "Indirect descriptors",
      rows: {
        writeFlag: {
          must: "ignores the write flag of a descriptor that refers to an indirect table",
          tests: ring(
            "2.7.5.3.2: the write flag of a descriptor that refers to an indirect table is ignored",
          ),
        },
        mixed: {
          must: "takes a chain of ordinary descriptors that ends in an indirect one",
          tests: ring("2.7.5: readable bytes, then writable ones, whatever the segments (mixed)"),
        },
      },
    },
    {
      number: "2.7.7.2",
      title: "Used buffer notification suppression",
      rows: {
        ignoreUsedEvent: {
          must: "without EVENT_IDX ignores used_event",
          tests: ring(
            "2.7.7.2: without EVENT_IDX, avail.flags 1 suppresses and 0 does not; used_event is ignored",
          ),
        },
        flagZero: {
          must: "without EVENT_IDX sends a notification for a used buffer when the driver's flags are 0",
          tests: ring(
            "2.7.7.2: without EVENT_IDX, avail.flags 1 suppresses and 0 does not; used_event is ignored",
          ),
        },
        ignoreFlag: {
          must: "with EVENT_IDX ignores the lower bit of the driver's flags",
          tests: ring("2.7.7.2: with EVENT_IDX, the flag is ignored"),
        },
        usedEvent: {
          must: "with EVENT_IDX sends a notification when it has filled the used entry that used_event names",
          tests: ring(
            "2.7.7.2: used_event is obeyed to the entry, for every batch and distance, over the wrap of the index",
          ),
        },
      },
    },
    {
      number: "2.7.8.2",
      title: "Used ring",
      rows: {
        lengthFirst: {
          must: "sets an element's length before used.idx moves over it",
          tests: order("2.7.8.2: what stands under used.idx is complete, and never changes again"),
        },
        dataFirst: {
          must: "has written at least that many bytes, from the first writable buffer on, before used.idx moves",
          tests: [
            ...order("2.7.8.2: the bytes that used.len counts are in guest memory before used.idx moves"),
            ...block(
              "2.7.8.2: writable bytes that a write or a flush does not fill are not counted as written",
            ),
          ],
        },
      },
    },
    {
      number: "2.7.10.2",
      title: "Available buffer notification suppression",
      rows: {
        flags: {
          must: "without EVENT_IDX sets used.flags to 0 or 1",
          tests: ring("2.7.10.2: a busy device wants none, and asks again when it is idle (flags)"),
        },
        flagsZero: {
          must: "with EVENT_IDX sets used.flags to 0",
          tests: [
            ...ring("2.7.10.2: with EVENT_IDX an idle device asks for the next kick, flags stay 0"),
            ...ring("2.7.10.2: a busy device wants none, and asks again when it is idle (EVENT_IDX)"),
            ...order("2.7.10.2: with EVENT_IDX used.flags become 0, whatever stood in that memory"),
          ],
        },
        spurious: {
          must: "copes with notifications for which there is nothing to do",
          tests: from("virtio-queue-setup")("2.7.10.2: a spurious kick is no mistake"),
        },
      },
    },
  ],
};
