import { type Chapter, from } from "../requirement.ts";

const packed = from("virtio-packed");

export const packedRings: Chapter = {
  title: "2.8: packed virtqueues",
  sections: [
    {
      number: "2.8.12",
      title: "Virtqueues",
      rows: {
        availableOrder: {
          must: "starts on available descriptors in the order in which they stand in the ring",
          tests: packed("2.8.12: are started on in the order in which they stand in the ring"),
        },
        usedOrder: {
          must: "starts writing used descriptors into the ring in the order in which they complete",
          tests: packed("2.8.12: stand in the order of completion, each where the one before it ended"),
        },
      },
    },
    {
      number: "2.8.15",
      title: "Descriptor table",
      rows: {
        readOnlyBuffers: {
          must: "does not write to a device-readable buffer",
          tests: packed("2.8.15: are all that changes, besides the device's event and the writable buffers"),
        },
        availableBit: {
          must: "uses no descriptor before its available bit says so for this turn of the ring",
          tests: packed(
            "2.8.15: are those whose AVAIL bit is this lap's wrap counter and whose USED bit is not",
          ),
        },
        usedFinal: {
          must: "changes nothing in a descriptor after its used bit",
          tests: packed(
            "2.8.15: never change again",
            "2.8.2: a batch comes to be seen as a whole, with the flags of its first descriptor",
          ),
        },
      },
    },
    {
      number: "2.8.18",
      title: "Scatter-gather",
      rows: {
        order: {
          must: "uses the descriptors of a list in the order in which the driver made them available",
          tests: packed(
            "2.8.18: of a list are read in the order in which the driver made them available, over the ring's end",
          ),
        },
      },
    },
  ],
};
