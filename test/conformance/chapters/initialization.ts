import { type Chapter, from } from "../requirement.ts";

const legacy = from("virtio-legacy");

export const initialization: Chapter = {
  title: "3: initialization and operation",
  sections: [
    {
      number: "3.1.2",
      title: "Legacy interface: device initialization",
      rows: {
        configBeforeFeatures: {
          must: "a transitional device takes writes to device configuration before the driver reads feature bits",
          tests: legacy(
            "3.1.2: device configuration may be written before the driver has read the feature bits",
          ),
        },
        useBeforeDriverOk: {
          must: "a transitional device can be used before DRIVER_OK",
          tests: legacy("3.1.2: queues may be used before DRIVER_OK, and go on when it is set"),
        },
      },
    },
  ],
};
