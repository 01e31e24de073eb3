import { type Chapter, from, onBoth } from "../requirement.ts";

const transport = from("virtio-transport");
const bus = from("machine-pci");
const status = from("virtio-status");
const setup = from("virtio-queue-setup");
const generation = from("virtio-generation");
const reset = from("virtio-queue-reset");
const msix = from("virtio-msix");
const legacy = from("virtio-pci-legacy");
const transitional = legacy(
  "a network device has device ID 0x1000, revision 0, and its type as subsystem",
  "a disk has device ID 0x1001, revision 0, and its type as subsystem",
  "a console has device ID 0x1003, revision 0, and its type as subsystem",
  "an entropy source has device ID 0x1005, revision 0, and its type as subsystem",
);
const forEachDevice = (title: (kind: string) => string): string[] =>
  ["block", "console", "entropy", "network"].map(title);

const capabilities = transport(
  ...forEachDevice(
    (kind) => `4.1.4: ${kind}: every structure has a capability, lies in the BAR, and touches no other`,
  ),
);
const notify = from("virtio-notify-capability");
const room = notify(
  ...forEachDevice(
    (kind) => `4.1.4.4.1: ${kind}: room for what a driver writes for every queue, at every queue's offset`,
  ),
);
const aligned = notify(
  ...forEachDevice((kind) => `4.1.4.4.1: ${kind}: offset and multiplier suit accesses of 2 and of 4 bytes`),
);

export const pci: Chapter = {
  title: "4.1: PCI",
  sections: [
    {
      number: "4.1.1",
      title: "Virtio over PCI bus",
      rows: {
        conventional: {
          must: "is a PCI function as the PCI specification demands",
          tests: bus(
            "6.1, 6.2: only the bits that can be written change",
            "6.2.5.1: a BAR of 8192 bytes tells its size and keeps its address",
            "6.2.2: memory is decoded only while the command register says so",
            "6.2.5: a BAR that is written moves at once, and leaves nothing behind",
            "shows in the status register, and goes out unless it is disabled",
            "6.7, virtio 4.1.4: a driver finds common, ISR, device, notify and configuration access capabilities",
          ),
        },
      },
    },
    {
      number: "4.1.2.1",
      title: "PCI device discovery",
      rows: {
        vendor: {
          must: "has vendor ID 0x1AF4",
          tests: transport(
            ...forEachDevice(
              (kind) =>
                `4.1.2.1: ${kind}: vendor 0x1AF4, device 0x1040 plus the type, revision 1, subsystem 0x40 or more`,
            ),
          ),
        },
        device: {
          must: "has device ID 0x1040 plus its type, or the transitional ID of its type",
          tests: [
            ...transport(
              ...forEachDevice(
                (kind) =>
                  `4.1.2.1: ${kind}: vendor 0x1AF4, device 0x1040 plus the type, revision 1, subsystem 0x40 or more`,
              ),
            ),
            ...transitional,
          ],
        },
      },
    },
    {
      number: "4.1.2.3",
      title: "Legacy interface: PCI device discovery",
      rows: {
        revision: { must: "a transitional device has revision 0", tests: transitional },
        subsystem: { must: "its subsystem device ID is its virtio device type", tests: transitional },
        device: {
          must: "its device ID is the transitional one of its type, from 0x1000 to 0x103f",
          tests: transitional,
        },
      },
    },
    {
      number: "4.1.3.2",
      title: "PCI device layout",
      rows: {
        halves: {
          must: "the halves of a 64-bit configuration field can be accessed independently",
          tests: [
            ...transport("2.5: little-endian fields, readable in any width, also before FEATURES_OK (pci)"),
            ...setup("4.1.3.1: an address keeps both its halves, in whatever order they are written"),
          ],
        },
      },
    },
    {
      number: "4.1.4.2",
      title: "Virtio structure PCI capabilities",
      rows: {
        length: { must: "cap_len counts everything, extra data too", tests: capabilities },
      },
    },
    {
      number: "4.1.4.3.1",
      title: "Common configuration structure",
      rows: {
        aligned: { must: "its offset is a multiple of 4", tests: capabilities },
        present: { must: "there is at least one common configuration capability", tests: capabilities },
        deviceFeature: {
          must: "device_feature shows the offered bits of the selected word, 0 for words beyond the second",
          tests: [
            ...status("4.1.4.3.1: feature words other than 0 and 1 offer nothing"),
            ...status(
              "2.2: offers VERSION_1 always, three features unless switched off, the others when switched on",
            ),
          ],
        },
        driverFeature: {
          must: "driver_feature shows what the driver has accepted of it",
          tests: status("4.1.4.3.1: driver_feature shows what the driver has accepted"),
        },
        generation: {
          must: "config_generation is another one after the driver has read a field that changed since its last read",
          tests: [
            ...transport("2.5: a change is a new generation (pci)"),
            ...generation(
              ...onBoth("2.5, 4.1.4.3.1: 256 changes between two reads are a new generation too"),
            ),
          ],
        },
        reset: {
          must: "0 in device_status resets the device, and reads back once that is done",
          tests: status("2.4.1: a reset in every state gives status 0 and a device that works again"),
        },
        queueEnableOnReset: {
          must: "queue_enable is 0 after a reset",
          tests: status("2.4.1: a reset in every state gives status 0 and a device that works again"),
        },
        queueResetOnReset: {
          must: "queue_reset is 0 after a reset",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
        queueResetOnEnable: {
          must: "queue_reset is 0 after the queue was enabled again",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
        queueReset: {
          must: "1 in queue_reset resets the queue",
          tests: reset("2.6.1.1.1: no request of it is executed any more, nothing of it reaches the guest"),
        },
        queueResetOngoing: {
          must: "queue_reset stays 1 while that goes on",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
        queueResetDone: {
          must: "queue_reset and queue_enable are 0 when it is done",
          tests: reset(
            "4.1.4.3.1, 4.2.2.1: the reset is done when the register is read: 0, as is the queue's enable register",
          ),
        },
        noQueue: {
          must: "queue_size is 0 where there is no queue",
          tests: setup(
            "4.1.5.1.3, 4.2.3.2: shows the largest size, 0 where there is no queue, and is disabled at first",
          ),
        },
        powerOfTwo: {
          must: "without packed rings queue_size is a power of two, or 0",
          tests: setup(
            "4.1.5.1.3, 4.2.3.2: shows the largest size, 0 where there is no queue, and is disabled at first",
          ),
        },
        adminIndex: {
          must: "admin_queue_index is not below num_queues",
          notApplicable: "VIRTIO_F_ADMIN_VQ is not offered",
          tests: from("virtio-features")("2.12, 2.13: no device offers administration virtqueues or SR-IOV"),
        },
        adminCount: {
          must: "the administration queues' indices fit into 16 bits",
          notApplicable: "VIRTIO_F_ADMIN_VQ is not offered",
          tests: from("virtio-features")("2.12, 2.13: no device offers administration virtqueues or SR-IOV"),
        },
      },
    },
    {
      number: "4.1.4.4.1",
      title: "Notification capability",
      rows: {
        present: { must: "there is at least one notification capability", tests: capabilities },
        aligned: { must: "its offset is a multiple of 2", tests: aligned },
        multiplier: { must: "the multiplier is an even power of 2, or 0", tests: aligned },
        minimum: { must: "its length is at least 2", tests: room },
        everyQueue: { must: "it is long enough for every queue in every configuration", tests: room },
        room: {
          must: "it has 2 bytes behind every queue's offset times the multiplier",
          tests: room,
        },
        dataMultiplier: {
          must: "with NOTIFICATION_DATA the multiplier is a power of 2 and a multiple of 4, or 0",
          tests: aligned,
        },
        dataAligned: { must: "with NOTIFICATION_DATA the offset is a multiple of 4", tests: aligned },
        dataMinimum: { must: "with NOTIFICATION_DATA the length is at least 4", tests: room },
        dataEveryQueue: {
          must: "with NOTIFICATION_DATA too it is long enough for every queue in every configuration",
          tests: room,
        },
        dataRoom: {
          must: "with NOTIFICATION_DATA it has 4 bytes behind every queue's offset times the multiplier",
          tests: room,
        },
      },
    },
    {
      number: "4.1.4.5.1",
      title: "ISR status capability",
      rows: {
        present: { must: "there is at least one ISR capability", tests: capabilities },
        config: {
          must: "sets the configuration bit before it sends a configuration change notification",
          tests: [
            ...transport("4.1.4.5, 4.2.2: the line is high until every event was acknowledged (pci)"),
            ...msix(
              "4.1.5.3, 4.1.5.4: each event sends its own, and INTA# and the ISR's queue bit stay out of it",
            ),
          ],
        },
        queue: {
          must: "without MSI-X sets the queue bit before it sends a used buffer notification",
          tests: transport("4.1.4.5, 4.2.2: the line is high until every event was acknowledged (pci)"),
        },
        statusRegister: {
          must: "without MSI-X the PCI status register's interrupt bit is set while any ISR bit is",
          tests: bus("virtio 4.1.4.5.1: the status register's interrupt bit follows the ISR status"),
        },
        clear: {
          must: "the ISR status is 0 after it was read",
          tests: transport(
            "4.1.4.5.1: reading the ISR status clears it, a write or a read beside it does not",
          ),
        },
      },
    },
    {
      number: "4.1.4.6",
      title: "Device-specific configuration",
      rows: {
        present: {
          must: "a device type with configuration of its own has a capability for it",
          tests: capabilities,
        },
      },
    },
    {
      number: "4.1.4.6.1",
      title: "Device-specific configuration",
      rows: {
        aligned: { must: "its offset is a multiple of 4", tests: capabilities },
      },
    },
    {
      number: "4.1.4.7.1",
      title: "Shared memory capability",
      rows: {
        inside: {
          must: "the region lies within its BAR",
          notApplicable: "no device has shared memory, so there is no such capability",
          tests: capabilities,
        },
        unique: {
          must: "its id is unique in the device",
          notApplicable: "no device has shared memory, so there is no such capability",
          tests: capabilities,
        },
      },
    },
    {
      number: "4.1.4.8.1",
      title: "Vendor data capability",
      rows: {
        vendor: {
          must: "its vendor_id is not 0x1AF4",
          notApplicable: "no device has vendor data",
          tests: capabilities,
        },
        size: {
          must: "its size is a multiple of 4",
          notApplicable: "no device has vendor data",
          tests: capabilities,
        },
        sideEffects: {
          must: "reading it has no side effects (4.1.4.8 says so too)",
          notApplicable: "no device has vendor data",
          tests: capabilities,
        },
      },
    },
    {
      number: "4.1.4.9.1",
      title: "PCI configuration access capability",
      rows: {
        present: { must: "there is at least one PCI configuration access capability", tests: capabilities },
        write: {
          must: "a write to pci_cfg_data becomes a write of that length at that place of the BAR",
          tests: bus(
            "virtio 4.1.4.9: every structure can be reached through pci_cfg_data, also while memory is not decoded",
          ),
        },
        read: {
          must: "a read of pci_cfg_data becomes a read of that length at that place of the BAR",
          tests: bus(
            "virtio 4.1.4.9: every structure can be reached through pci_cfg_data, also while memory is not decoded",
          ),
        },
      },
    },
    {
      number: "4.1.4.10",
      title: "Legacy interface: PCI device layout",
      rows: {
        ioBar: {
          must: "a transitional device has the legacy registers in BAR 0, an I/O region",
          tests: legacy(
            "4.1.4.10, 4.1.5.1.1.1: the legacy interface is BAR 0, in I/O space; the modern structures are in another one",
          ),
        },
        anyWidth: {
          must: "its device configuration gives the same in whatever width it is accessed",
          tests: legacy("device configuration follows the header, in accesses of any width and alignment"),
        },
        configOffset: {
          must: "device configuration follows the general registers at once, which move with MSI-X",
          tests: legacy(
            "device configuration follows the header, in accesses of any width and alignment",
            "has the vectors while MSI-X is enabled, and the device configuration moves behind them and back",
          ),
        },
        lowFeatures: {
          must: "takes feature bits 32 to 63 as not acknowledged",
          tests: legacy(
            "what a driver accepts has no bit above 31: VERSION_1 is not acknowledged",
            "has feature bits 0 to 31 only, and none that legacy drivers cannot have",
          ),
        },
      },
    },
    {
      number: "4.1.5.1.1.1",
      title: "Legacy interface: device layout detection",
      rows: {
        ioBar: {
          must: "a transitional device offers the legacy interface in I/O space in BAR 0",
          tests: legacy(
            "4.1.4.10, 4.1.5.1.1.1: the legacy interface is BAR 0, in I/O space; the modern structures are in another one",
          ),
        },
      },
    },
    {
      number: "4.1.5.1.2.1",
      title: "MSI-X vector configuration",
      rows: {
        tableSize: {
          must: "the capability's table size is the number of vectors",
          tests: msix(
            "PCI 6.8.2.3 to 6.8.2.5: one vector for each queue and one more, table and pending bits in a BAR of their own",
          ),
        },
        map: {
          must: "any event can be mapped to any vector of the table",
          tests: msix(
            "4.1.5.1.2.1: any event takes any vector of the table, and NO_VECTOR; what is mapped reads back",
          ),
        },
        unmap: {
          must: "any event can be unmapped",
          tests: msix(
            "4.1.5.1.2.1: any event takes any vector of the table, and NO_VECTOR; what is mapped reads back",
          ),
        },
        readBack: {
          must: "the vector registers read back what is mapped, NO_VECTOR if nothing is",
          tests: msix(
            "4.1.5.1.2.1: any event takes any vector of the table, and NO_VECTOR; what is mapped reads back",
          ),
        },
        reset: {
          must: "after a reset nothing is mapped",
          tests: msix("4.1.5.1.2.1: every event is unmapped by a reset"),
        },
        failure: {
          must: "a mapping that fails reads back as NO_VECTOR",
          tests: msix(
            "4.1.5.1.2.1: a vector outside the table fails: NO_VECTOR reads back, and the driver is told",
          ),
        },
      },
    },
    {
      number: "4.1.5.3.1",
      title: "Used buffer notifications",
      rows: {
        unmapped: {
          must: "with MSI-X on, a queue without a vector sends no interrupt",
          tests: msix("4.1.5.3.1, 4.1.5.4.1: an event without a vector sends nothing, and raises no line"),
        },
      },
    },
    {
      number: "4.1.5.4.1",
      title: "Notification of device configuration changes",
      rows: {
        unmapped: {
          must: "with MSI-X on, configuration changes without a vector send no interrupt",
          tests: msix("4.1.5.3.1, 4.1.5.4.1: an event without a vector sends nothing, and raises no line"),
        },
      },
    },
  ],
};
