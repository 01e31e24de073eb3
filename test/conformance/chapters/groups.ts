import { type Chapter, type Requirement, from } from "../requirement.ts";

/** No device offers VIRTIO_F_ADMIN_VQ, so none of this can be reached by a driver. */
function noAdministration(must: string): Requirement {
  return {
    must,
    notApplicable:
      "VIRTIO_F_ADMIN_VQ is not offered: there is no administration virtqueue, and no device group",
    tests: from("virtio-features")("2.12, 2.13: no device offers administration virtqueues or SR-IOV"),
  };
}

export const groups: Chapter = {
  title: "2.12 and 2.13: device groups, administration virtqueues",
  sections: [
    {
      number: "2.12.1.1.6",
      title: "Legacy interface commands",
      rows: {
        allOrNone: noAdministration("supports the four legacy access commands together or not at all"),
        littleEndian: noAdministration("their data is little-endian"),
        commonBounds: noAdministration(
          "a legacy command for common configuration fails when it is not one whole field of that structure",
        ),
        deviceBounds: noAdministration(
          "a legacy command for device configuration fails when it is not one whole field of that structure",
        ),
        commonWrite: noAdministration(
          "the common write command does what a write through the legacy interface does",
        ),
        commonRead: noAdministration(
          "the common read command does what a read through the legacy interface does",
        ),
        deviceWrite: noAdministration(
          "the device write command does what a write through the legacy interface does",
        ),
        deviceRead: noAdministration(
          "the device read command does what a read through the legacy interface does",
        ),
        notifyAddress: noAdministration(
          "a notification at an address from NOTIFY_INFO does what the write command at Queue Notify does",
        ),
        notifyNeedsAll: noAdministration("with NOTIFY_INFO the four access commands are supported too"),
        notifyLast: noAdministration("the last entry of a NOTIFY_INFO result has flags 0"),
        notifyBar: noAdministration("valid entries name a BAR that is not hardwired to zero"),
        notifyAlign: noAdministration("valid entries have an offset that is a multiple of 2"),
        vfBar: noAdministration("an owner device hardwires BAR 0 of its virtual functions to zero"),
      },
    },
    {
      number: "2.12.1.2",
      title: "Group administration commands",
      rows: {
        validate: noAdministration(
          "checks opcode, group type and member, and answers EINVAL with a qualifier",
        ),
        invalidGroup: noAdministration("a wrong group type is qualified as INVALID_GROUP"),
        invalidOpcode: noAdministration("else a wrong opcode as INVALID_OPCODE"),
        invalidMember: noAdministration("else a wrong member as INVALID_MEMBER"),
        ok: noAdministration("a command that succeeds has status OK"),
        notOk: noAdministration("a command that fails has another status"),
        noChange: noAdministration("a command answered with EINVAL changes no state"),
        noSideEffects: noAdministration("it has no side effects"),
        noErrorState: noAdministration("it brings the device into no error state"),
        independent: noAdministration("commands for one group type do not depend on those for another"),
        initialList: noAdministration("after reset only LIST_QUERY and LIST_USE are legal"),
        listUse: noAdministration("LIST_USE sets the list of legal commands"),
        checkList: noAdministration("checks each command against that list"),
        failUnlisted: noAdministration("a command outside it fails with EINVAL and INVALID_OPCODE"),
        noShrink: noAdministration("the list of supported commands never shrinks"),
        stillReported: noAdministration("a command once reported is never reported as unsupported later"),
        reuse: noAdministration(
          "LIST_USE does not fail for its list alone when that list was accepted before a reset",
        ),
        noSriov: noAdministration("SR-IOV commands without virtual functions fail as INVALID_GROUP"),
        sriovMember: noAdministration("a member beyond NumVFs fails as INVALID_MEMBER"),
      },
    },
    {
      number: "2.13.1",
      title: "Administration virtqueues",
      rows: {
        shorter: noAdministration("copes with buffers shorter than the command"),
        longer: noAdministration("copes with buffers longer than the command"),
        lengthAlone: noAdministration("does not fail a command because of its buffers' length alone"),
        initialize: noAdministration("initializes the whole 64-bit words of the result"),
        initializeStatus: noAdministration("initializes status and status qualifier"),
        order: noAdministration("processes the commands of one queue in their order"),
        retry: noAdministration("a command answered with EAGAIN or ENOMEM has no side effects"),
      },
    },
  ],
};
