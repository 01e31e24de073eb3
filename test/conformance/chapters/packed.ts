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
          tests: packed(),
        },
        usedOrder: {
          must: "starts writing used descriptors into the ring in the order in which they complete",
          tests: packed(),
        },
      },
    },
    {
      number: "2.8.15",
      title: "Descriptor table",
      rows: {
        readOnlyBuffers: {
          must: "does not write to a device-readable buffer",
          tests: packed(),
        },
        availableBit: {
          must: "uses no descriptor before its available bit says so for this turn of the ring",
          tests: packed(),
        },
        usedFinal: {
          must: "changes nothing in a descriptor after its used bit",
          tests: packed(),
        },
      },
    },
    {
      number: "2.8.18",
      title: "Scatter-gather",
      rows: {
        order: {
          must: "uses the descriptors of a list in the order in which the driver made them available",
          tests: packed(),
        },
      },
    },
  ],
};
