import { type Chapter, from, onBoth } from "../requirement.ts";

const consoles = from("virtio-console");
const ports = from("virtio-console-ports")(
  "5.3.6.2.1: every port is added once, with a number below max_nr_ports, and none is removed",
);
const legacy = from("virtio-legacy");

export const console53: Chapter = {
  title: "5.3: console device",
  sections: [
    {
      number: "5.3.4.1",
      title: "Legacy interface: device configuration layout",
      rows: {
        native: {
          must: "configuration fields are in the guest's byte order",
          tests: legacy(
            "5.3.4.1, 5.3.6.3: a console's configuration and control messages are little-endian, as the guest is",
          ),
        },
      },
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
          tests: [
            ...consoles("5.3.6.2.1: a port that exists is not added again, until the device was reset"),
            ...ports,
          ],
        },
        remove: {
          must: "removes no port that it has not added",
          tests: ports,
        },
      },
    },
    {
      number: "5.3.6.3",
      title: "Legacy interface: device operation",
      rows: {
        native: {
          must: "control messages are in the guest's byte order",
          tests: legacy(
            "5.3.4.1, 5.3.6.3: a console's configuration and control messages are little-endian, as the guest is",
          ),
        },
      },
    },
  ],
};
