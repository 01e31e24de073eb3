import { type Chapter, from, onBoth } from "../requirement.ts";

const transport = from("virtio-transport");
const setup = from("virtio-queue-setup");
const reset = from("virtio-queue-reset");
const status = from("virtio-status");

export const mmio: Chapter = {
  title: "4.2: MMIO",
  sections: [
    {
      number: "4.2.2.1",
      title: "MMIO device register layout",
      rows: {
        magic: {
          must: "MagicValue is 0x74726976",
          tests: transport("4.2.2.1: magic value, version 2, device and vendor"),
        },
        version: {
          must: "Version is 2",
          tests: transport("4.2.2.1: magic value, version 2, device and vendor"),
        },
        events: {
          must: "an event stands in InterruptStatus from when it happens until InterruptACK names it",
          tests: transport(
            "4.2.2.1: InterruptACK takes back the events that are named, and no others",
            "4.1.4.5, 4.2.2: the line is high until every event was acknowledged (mmio)",
          ),
        },
        noOtherBits: {
          must: "bits of InterruptStatus without an event are 0",
          tests: transport(
            "4.2.2.1: InterruptACK takes back the events that are named, and no others",
            "4.1.4.5, 4.2.2: the line is high until every event was acknowledged (mmio)",
          ),
        },
        reset: {
          must: "a reset clears InterruptStatus and every queue's QueueReady",
          tests: [
            ...transport("2.4.1: a reset takes the interrupt back (mmio)"),
            ...status("2.4.1: a reset in every state gives status 0 and a device that works again"),
          ],
        },
        generation: {
          must: "ConfigGeneration changes whenever the driver could have seen half of a change",
          tests: [
            ...transport("2.5: a change is a new generation (mmio)"),
            ...from("virtio-generation")(
              ...onBoth("2.5, 4.1.4.3.1: 256 changes between two reads are a new generation too"),
            ),
          ],
        },
        notReady: {
          must: "does not touch a queue whose QueueReady is 0",
          tests: setup(
            "4.2.2.2: 0 in QueueReady stops the queue; what is in flight does not reach the guest",
          ),
        },
        queueResetOnReset: {
          must: "QueueReset is 0 after a reset",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
        queueResetOnReady: {
          must: "QueueReset is 0 after the queue was enabled again",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
        queueReset: {
          must: "1 in QueueReset resets the queue",
          tests: reset("2.6.1.1.1: no request of it is executed any more, nothing of it reaches the guest"),
        },
        queueResetOngoing: {
          must: "QueueReset stays 1 while that goes on",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
        queueResetDone: {
          must: "QueueReset and QueueReady are 0 when it is done",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
      },
    },
  ],
};
