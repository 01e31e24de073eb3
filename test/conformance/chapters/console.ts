import { type Chapter, from, onBoth } from "../requirement.ts";

const consoles = from("virtio-console");
const legacy = from("virtio-legacy");

export const console53: Chapter = {
  title: "5.3: console device",
  sections: [
    {
      number: "5.3.4.1",
      title: "Legacy interface: device configuration layout",
      rows: { native: { must: "configuration fields are in the guest's byte order", tests: legacy() } },
    },
    {
      number: "5.3.5.1",
      title: "Device initialization",
      rows: {
        emergency: {
          must: "takes writes to emerg_wr, even before it is configured",
          tests: consoles(...onBoth("5.3.5.1: the lower byte goes out, even on an unconfigured device")),
        },
      },
    },
    {
      number: "5.3.6.2.1",
      title: "Multiport device operation",
      rows: {
        add: {
          must: "adds no port that exists, and none from max_nr_ports on",
          tests: consoles(
            "5.3.6.2.1: a port that exists is not added again, until the device was reset",
            "5.3.6.2.1: every port is added once, with a number below max_nr_ports, and none is removed",
          ),
        },
        remove: {
          must: "removes no port that it has not added",
          tests: consoles(
            "5.3.6.2.1: every port is added once, with a number below max_nr_ports, and none is removed",
          ),
        },
      },
    },
    {
      number: "5.3.6.3",
      title: "Legacy interface: device operation",
      rows: { native: { must: "control messages are in the guest's byte order", tests: legacy() } },
    },
  ],
};
