import { type Chapter, from, onBoth } from "../requirement.ts";

const status = from("virtio-status");
const features = from("virtio-features");
const transport = from("virtio-transport");
const reset = from("virtio-queue-reset");
const legacy = from("virtio-legacy");

export const basic: Chapter = {
  title: "2.1 to 2.6: basic facilities",
  sections: [
    {
      number: "2.1.2",
      title: "Device status field",
      rows: {
        early: {
          must: "uses no buffer and sends no used buffer notification before DRIVER_OK",
          tests: status("2.1.2: before DRIVER_OK no buffer is consumed; at DRIVER_OK those that wait are"),
        },
        needsReset: {
          must: "after setting DEVICE_NEEDS_RESET sends a configuration change notification, if DRIVER_OK is set",
          tests: [
            ...status(
              "2.1.2: DEVICE_NEEDS_RESET is announced by a configuration interrupt if DRIVER_OK is set, else not",
            ),
            ...transport("2.1.2: DEVICE_NEEDS_RESET shows as violation, status and interrupt"),
          ],
        },
      },
    },
    {
      number: "2.2.2",
      title: "Feature bits",
      rows: {
        dependencies: {
          must: "offers no feature that needs another one which it does not offer",
          tests: features("2.2.2: what is offered is complete: no bit needs one that is missing"),
        },
        refuse: {
          must: "leaves FEATURES_OK clear when it cannot work with what the driver accepted",
          tests: status(
            "2.2.2: features that were not offered make FEATURES_OK fail, and the driver may try again",
            "3.1.1: DRIVER_OK together with refused features is not taken either",
          ),
        },
        onlySupported: {
          must: "offers no bit that it would not support: unknown, reserved, of another transport or device type",
          tests: features(
            ...["block", "console", "entropy", "network"].map(
              (kind) => `2.2.2: ${kind} offers what it supports on each transport, and nothing else`,
            ),
          ),
        },
      },
    },
    {
      number: "2.2.3",
      title: "Legacy interface: feature bits",
      rows: {
        detect: {
          must: "a transitional device takes a driver that has not acknowledged VERSION_1 for a legacy one",
          tests: [
            ...legacy(
              "2.2.3: the whole way: features, queue, request, interrupt, reset, without VERSION_1 and FEATURES_OK",
            ),
            ...from("virtio-pci-legacy")(
              "what a driver accepts has no bit above 31: VERSION_1 is not acknowledged",
              "the interface that a driver finds the device in reset with drives it; a reset by either changes over",
            ),
          ],
        },
        legacyRules: {
          must: "behaves as the legacy sections say while it is used through the legacy interface",
          tests: legacy(
            "2.2.3: the whole way: features, queue, request, interrupt, reset, without VERSION_1 and FEATURES_OK",
          ),
        },
      },
    },
    {
      number: "2.4.1",
      title: "Device reset",
      rows: {
        status: {
          must: "sets the device status to 0 on reset",
          tests: status("2.4.1: a reset in every state gives status 0 and a device that works again"),
        },
        silence: {
          must: "after the reset sends no notification and touches no queue until it is initialized anew",
          tests: [
            ...status(
              "2.4.1: nothing in flight reaches the guest after a reset",
              "2.4.1: an old completion does not get into a queue that was set up anew",
            ),
            ...transport(...onBoth("2.4.1: a reset takes the interrupt back")),
            ...from("virtio-block")(
              "2.4.1: a reset while requests wait: the guest sees nothing of them, the disk stays as it is",
            ),
          ],
        },
      },
    },
    {
      number: "2.5.2",
      title: "Device configuration space",
      rows: {
        early: {
          must: "lets the driver read every field before FEATURES_OK, those of offered features included",
          tests: [
            ...transport(
              ...onBoth("2.5: little-endian fields, readable in any width, also before FEATURES_OK"),
            ),
            ...features("2.5.2: fields of offered features can be read before FEATURES_OK"),
          ],
        },
      },
    },
    {
      number: "2.6.1.1.1",
      title: "Virtqueue reset",
      rows: {
        silence: {
          must: "runs no request of a queue that was reset and sends no notification for it",
          tests: reset(
            "2.6.1.1.1: no request of it is executed any more, nothing of it reaches the guest",
            "2.6.1.1.1: the other queues go on",
          ),
        },
        state: {
          must: "puts everything about the queue back to its default, positions in both rings included",
          tests: [
            ...reset(
              "2.6.1.1.1: everything about it is as after a reset of the device",
              "2.6.1.2.1: enabled again it starts from the beginning, with the new size and place",
            ),
            ...from("virtio-msix")(
              "2.6.1.1.1: a queue's vector is unmapped when the queue is reset, and another's is not",
            ),
          ],
        },
      },
    },
    {
      number: "2.6.1.2.1",
      title: "Virtqueue re-enable",
      rows: {
        configuration: {
          must: "takes the queue's new configuration, for example another size",
          tests: reset("2.6.1.2.1: enabled again it starts from the beginning, with the new size and place"),
        },
      },
    },
    {
      number: "2.10.2",
      title: "Shared memory regions",
      rows: {
        purpose: {
          must: "shared memory neither controls the device nor carries a stream of data",
          notApplicable: "no device has shared memory",
          tests: [
            ...transport("4.2.2: a shared memory region that does not exist has length and base -1"),
            ...transport(
              ...["block", "console", "entropy", "network"].map(
                (kind) =>
                  `4.1.4: ${kind}: every structure has a capability, lies in the BAR, and touches no other`,
              ),
            ),
          ],
        },
      },
    },
  ],
};
