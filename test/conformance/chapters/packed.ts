import { type Chapter, from } from "../requirement.ts";

const packed = from("virtio-packed-order");

export const packedRings: Chapter = {
  title: "2.8: packed virtqueues",
  sections: [
    {
      number: "2.8.12",
      title: "Virtqueues",
      rows: {
        availableOrder: {
          must: "starts on available descriptors in the order in which they stand in the ring",
          tests: packed(
            "2.8.12: descriptors are taken in the order in which they stand in the ring, over many laps",
          ),
        },
        usedOrder: {
          must: "starts writing used descriptors into the ring in the order in which they complete",
          tests: packed("2.8.12: used descriptors are written in the order in which requests complete"),
        },
      },
    },
    {
      number: "2.8.15",
      title: "Descriptor table",
      rows: {
        readOnlyBuffers: {
          must: "does not write to a device-readable buffer",
          tests: packed(
            ...["direct", "indirect", "unaligned-indirect"].map(
              (placement) => `2.8.15: a device-readable buffer is not written (${placement})`,
            ),
          ),
        },
        availableBit: {
          must: "uses no descriptor before its available bit says so for this turn of the ring",
          tests: packed(
            "2.8.15: no descriptor is used before its flags say that it is available in this lap",
          ),
        },
        usedFinal: {
          must: "changes nothing in a descriptor after its used bit",
          tests: packed(
            "2.8.15: a used descriptor is complete when its flags say used, and does not change any more",
            "2.8.15: a batch shows all at once: not before its first descriptor's flags",
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
            "2.8.18: the descriptors of a list are used in their order, also around the ring's end",
          ),
        },
      },
    },
  ],
};
