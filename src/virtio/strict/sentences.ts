/**
 * What virtio 1.3 demands of a driver, in the chapters that our devices follow (2, 3, 4.1, 4.2, 5.1 to 5.4, 6), in our words
 * and in the standard's order: each "Driver Requirements" section sentence by sentence, what the legacy parts demand of
 * drivers, and the statements of the text without a MUST whose breach a device notices.
 *
 * A key is the section and a name. `Rule` is the type of the keys that can be reported, so that a violation without its
 * sentence does not compile; a test checks that each of them is reported somewhere.
 */
export interface Sentence {
  /** What the driver is to do. */
  demands: string;
  /** Whether the specification says MUST, or just how it is. */
  must: boolean;
  /** Reported always, because the device cannot go on without the check or has it for free; or in strict mode only. */
  seen: "always" | "strict";
}

/** A demand that no device can check. */
export interface Unseen {
  demands: string;
  /** Why not. */
  unseen: string;
}

/** The sentences that a violation can name. */
export type Rule = {
  [Key in keyof typeof SENTENCES]: (typeof SENTENCES)[Key] extends Sentence ? Key : never;
}[keyof typeof SENTENCES];

const INSIDE = "what a driver makes of what it has read stays inside it";
const NEVER_OFFERED = "no device here offers the feature";
const ORDER = "the order of a processor's writes cannot be told from memory; what it leads to is checked";
const DISCOVERY = "what a driver does not touch leaves no trace";
const X86 = "the guest is little-endian: both are the same";

export const SENTENCES = {
  // ---- 2.1 Device status ----
  "2.1 bits": described("Device status has no other bits than those of 2.1."),
  "2.1.1 clear": always("The driver does not clear a bit of device status, other than by a reset."),
  "2.1.1 failed": always("After FAILED the driver resets the device before it initializes it again."),
  "2.1.1 update": unseen(
    "The driver sets the status bits of the steps that it has done.",
    "a step that is not shown is not seen; their order is checked under 3.1.1",
  ),

  // ---- 2.2 Feature bits ----
  "2.2.1 offered": always("The driver accepts no feature that the device did not offer."),
  "2.2.1 requires": always("The driver accepts no feature without the one that it requires."),
  "2.2.1 validate": unseen(
    "The driver validates the offered feature bits, and ignores unknown ones.",
    INSIDE,
  ),
  "2.2.1 cease": unseen(
    "A driver that cannot do without a feature that is not offered sets FAILED and stops.",
    "why a driver stops is not seen; going on after a refusal is checked under 3.1.1",
  ),
  "2.2.1 unknown": unseen(
    "The driver does not fail because of a feature that it does not understand.",
    INSIDE,
  ),
  "2.2.3 detect": unseen(
    "A transitional driver knows a legacy device by VIRTIO_F_VERSION_1 not offered.",
    INSIDE,
  ),

  // ---- 2.3 Notifications ----
  "2.3 kick": described("An available buffer notification is for a queue that exists and is enabled."),

  // ---- 2.5 Device configuration space ----
  "2.5.1 atomic": unseen(
    "The driver does not take reads of more than 32 bits, or of several fields, for atomic.",
    "to read the generation around them is a SHOULD",
  ),
  "2.5.1 optional": strict(
    "The driver accesses an optional configuration field only if its feature is offered.",
  ),
  "2.5.1 size": unseen("The driver does not limit the size of the configuration space.", INSIDE),
  "2.5.1 readOnly": described("Fields of the configuration space are read-only unless said otherwise."),

  // ---- 2.6 Virtqueues ----
  "2.6 exists": described("The driver sets up queues that the device has."),
  "2.6.1 negotiated": described("A queue can be reset alone once VIRTIO_F_RING_RESET is negotiated."),
  "2.6.1.1.2 verify": strict("After a queue reset the driver verifies that the queue has been reset."),
  "2.6.1.2.2 configure": strict("To enable a queue again the driver configures it as at the first time."),

  // ---- 2.7 Split virtqueues ----
  "2.7 size": described("The size of a split queue is a power of two, at most what the device offers."),
  "2.7 inside": described("A queue's parts lie in guest memory, each in one piece."),
  "2.7 apart": describedStrict("A queue's parts do not overlap."),
  "2.7.1 aligned": always("Each part of a queue is aligned: 16 bytes, 2 and 4."),
  "2.7.2 layout": unseen(
    "On a legacy interface the driver takes the device's queue size and lays the queue out in one piece.",
    "the driver gives one address: a queue laid out otherwise shows in what the rings hold",
  ),
  "2.7.3 endian": unseen("On a legacy interface queues are in the guest's endianness.", X86),
  "2.7.4.2 order": always("Device-writable buffers come after the device-readable ones."),
  "2.7.5 inside": described("A descriptor names guest memory, and a next descriptor of its table."),
  "2.7.5.2 bytes": strict("A descriptor chain has at most 2^32 bytes."),
  "2.7.5.2 inOrder": strict(
    "With VIRTIO_F_IN_ORDER the next descriptor is the one after this, or 0 after the last one.",
  ),
  "2.7.5.3.1 negotiated": always("Indirect descriptors only with VIRTIO_F_INDIRECT_DESC."),
  "2.7.5.3.1 nested": always("An indirect table holds no indirect descriptor."),
  "2.7.5.3.1 length": always("A descriptor chain is not longer than the queue size."),
  "2.7.5.3.1 next": always("A descriptor does not have both INDIRECT and NEXT."),
  "2.7.5.3.1 inOrder": strict(
    "With VIRTIO_F_IN_ORDER the descriptors of an indirect table follow each other by number.",
  ),
  "2.7.5.3 table": described("An indirect table is a whole number of descriptors of 16 bytes, at least one."),
  "2.7.6.1 decrement": strict("The driver does not decrement the available index: nothing is taken back."),
  "2.7.7.1 flags": strict("Without VIRTIO_F_EVENT_IDX the flags of the available ring are 0 or 1."),
  "2.7.7.1 zero": strict("With VIRTIO_F_EVENT_IDX the flags of the available ring are 0."),
  "2.7.7.1 spurious": unseen("The driver handles spurious notifications.", INSIDE),
  "2.7.8 device": describedStrict("The used ring, with avail_event in it, is written by the device alone."),
  "2.7.8.3 rest": unseen("The driver assumes nothing of a buffer's bytes beyond the used length.", INSIDE),
  "2.7.10.1 flags": strict("The driver initializes the flags of the used ring to 0."),
  "2.7.10.1 ignore": unseen(
    "The driver ignores avail_event without VIRTIO_F_EVENT_IDX, and the low bit of the used flags with it.",
    INSIDE,
  ),
  "2.7.10.1 notify": unseen(
    "The driver notifies the device of new buffers unless that is suppressed.",
    "one notification may stand for many buffers, and one that is missing cannot be told from one that is late",
  ),
  "2.7.13 once": described("A queue holds at most as many chains as it has descriptors."),
  "2.7.13.1 free": describedStrict("A chain is made of free descriptors: none that the device still has."),
  "2.7.13.3 index": described("The available index runs ahead of the device by at most the queue size."),
  "2.7.13.3.1 barrier": unseen("A memory barrier stands before the update of the available index.", ORDER),
  "2.7.13.4.1 barrier": unseen("A memory barrier stands before the read of flags or avail_event.", ORDER),

  // ---- 2.8 Packed virtqueues ----
  "2.8 inside": described("A queue's parts lie in guest memory, each in one piece."),
  "2.8 apart": describedStrict("A queue's parts do not overlap."),
  "2.8 device": describedStrict("The device event suppression structure is written by the device alone."),
  "2.8.4 inside": described("A descriptor names guest memory."),
  "2.8.7 table": described("An indirect table is a whole number of descriptors of 16 bytes, at least one."),
  "2.8.10.1 size": described("The size of a packed queue is from 1 to what the device offers."),
  "2.8.11 aligned": always("Each part of a queue is aligned: 16 bytes, 4 and 4."),
  "2.8.14 flags": describedStrict(
    "Event flags are 0 or 1, or 2 with VIRTIO_F_EVENT_IDX; the bits above are 0.",
  ),
  "2.8.14 offset": describedStrict("An event's offset is that of a descriptor in the ring."),
  "2.8.16 change": strict("The driver does not change a descriptor that the device has, until it is used."),
  "2.8.16 used": always("The driver makes a descriptor available again after it is used."),
  "2.8.16 notification": always(
    "In a notification next_off and next_wrap name the next descriptor to become available.",
  ),
  "2.8.17 length": always("A descriptor list is not longer than the queue size."),
  "2.8.17 order": always("Device-writable buffers come after the device-readable ones."),
  "2.8.17 room": always(
    "There is room in the ring for all of a list before its first descriptor is available.",
  ),
  "2.8.17 first": always("The first descriptor of a list becomes available after all the others."),
  "2.8.19 negotiated": always("Indirect descriptors only with VIRTIO_F_INDIRECT_DESC."),
  "2.8.19 flags": strict("Descriptors in an indirect table have no flag but WRITE."),
  "2.8.19 length": always("An indirect table is not longer than the device allows."),
  "2.8.19 list": always("A list linked by NEXT has no indirect descriptor in it."),
  "2.8.21.1 id": describedStrict("A buffer gets a free id: none that another buffer still has."),
  "2.8.21.1.1 barrier": unseen("A memory barrier stands before the update of a descriptor's flags.", ORDER),
  "2.8.21.3.1 barrier": unseen(
    "A memory barrier stands before the read of the device's event suppression.",
    ORDER,
  ),

  // ---- 2.9 Driver notifications ----
  "2.9 notification": described("The index in a notification is the available index."),

  // ---- 2.12, 2.13 Device groups, administration ----
  "2.12.1.3 commands": unseen("What drivers that send administration commands have to do.", NEVER_OFFERED),
  "2.13.2 queues": unseen("What drivers that use administration queues have to do.", NEVER_OFFERED),

  // ---- 3 Initialization and operation ----
  "3.1.1 reset": strict("Initialization starts with a reset of the device."),
  "3.1.1 order": always("The driver sets ACKNOWLEDGE, DRIVER and FEATURES_OK in this order."),
  "3.1.1 read": strict("The driver reads the offered features before it accepts any."),
  "3.1.1 features": strict("Features are accepted after DRIVER is set."),
  "3.1.1 early": strict("The driver does not write the configuration space before FEATURES_OK."),
  "3.1.1 look": describedStrict("The driver reads the configuration space once it has set DRIVER."),
  "3.1.1 late": always("The driver accepts no more features after FEATURES_OK."),
  "3.1.1 reread": strict(
    "The driver reads device status again, to see that FEATURES_OK is still set, before it goes on.",
  ),
  "3.1.1 setup": always("Queues are set up after FEATURES_OK."),
  "3.1.1 featuresOk": always("The driver sets DRIVER_OK only when FEATURES_OK is set."),
  "3.1.1 kick": always("The driver sends no available buffer notification before DRIVER_OK."),
  "3.1.2 sequence": unseen(
    "On a legacy interface initialization is the same but for FEATURES_OK.",
    "legacy drivers did it in any order, and cannot be told from transitional ones",
  ),
  "3.3.1 alter": strict("The driver does not alter the queue's entries for buffers that the device has."),
  "3.3.1 remove": unseen(
    "The driver resets the device before it removes buffers that the device has.",
    INSIDE,
  ),

  // ---- 4.1 PCI ----
  "4.1.2.2 match": unseen("The driver matches 0x1af4, 0x1040 plus the device type, any revision.", DISCOVERY),
  "4.1.3.1 write": always("A register is written whole: 8, 16 or 32 bits, as wide as it is."),
  "4.1.3.1 read": strict("A register is read whole: 8, 16 or 32 bits, as wide as it is."),
  "4.1.3.1 config": strict(
    "Fields of the configuration space are accessed as wide as they are, 64 bits in two halves.",
  ),
  "4.1.4 structure": described("The driver writes where a capability announces a structure."),
  "4.1.4.1 ignore": unseen(
    "The driver ignores capabilities of a reserved type or BAR, accepts longer ones.",
    INSIDE,
  ),
  "4.1.4.1 capability": always(
    "The driver does not write into a virtio capability, other than the one of 4.1.4.9.",
  ),
  "4.1.4.3 reset": described(
    "Only 1 is written to queue_reset, for a queue that exists, with VIRTIO_F_RING_RESET.",
  ),
  "4.1.4.3.2 readOnly": always("The driver does not write read-only fields of the common configuration."),
  "4.1.4.3.2 size": unseen(
    "The driver writes no 0 to queue_size of a packed queue, and powers of two to that of a split one.",
    "reported as 2.7 size and 2.8.10.1 size, which hold on every transport",
  ),
  "4.1.4.3.2 fields": strict("The driver configures the other fields of a queue before it enables it."),
  "4.1.4.3.2 wait": strict("After a reset the driver waits for a read of device_status to return 0."),
  "4.1.4.3.2 enable": always("The driver writes no 0 to queue_enable."),
  "4.1.4.3.2 queueReset": unseen(
    "The driver takes a queue for reset once queue_reset reads 0.",
    "reported as 2.6.1.1.2 verify, which holds on every transport",
  ),
  "4.1.4.3.2 admin": unseen("Administration queues are among those that the device names.", NEVER_OFFERED),
  "4.1.4.8.2 vendor": unseen(
    "The driver looks at vendor_id before it uses a vendor data capability.",
    "there is none",
  ),
  "4.1.4.9.2 data": always(
    "The driver uses pci_cfg_data, aligned, for what lies in a structure that another capability announces.",
  ),
  "4.1.4.9.2 read": unseen(
    "The same for reads.",
    "silent on purpose: whatever dumps the configuration space (lspci -xxx) reads it, and is no driver",
  ),
  "4.1.4.10 registers": described("The legacy registers are accessed whole, and written where they can be."),
  "4.1.4.10 interface": described("A driver uses one interface of a transitional device, not both at once."),
  "4.1.4.10 config": unseen("On a legacy interface the configuration space follows the header.", INSIDE),
  "4.1.5.1.1 detect": unseen(
    "The driver looks for the virtio capabilities to tell what the device is.",
    DISCOVERY,
  ),
  "4.1.5.1.2.2 sizes": unseen("The driver supports an MSI-X table of any size.", INSIDE),
  "4.1.5.1.2.2 table": always("The driver maps no event to a vector outside the MSI-X table."),
  "4.1.5.1.2.2 verify": strict("The driver reads the vector back after it has mapped an event."),
  "4.1.5.1.3 queue": described("The queue that the driver configures exists, and is not enabled yet."),
  "4.1.5.2.1 width": always(
    "A notification is 16 bits, or 32 with VIRTIO_F_NOTIFICATION_DATA, at the queue's address.",
  ),
  "4.1.5.2.1 value": always("A notification holds the queue's index, or queue_notif_config_data."),
  "4.1.5.4.2 shared": unseen("The driver handles one interrupt for queues and configuration.", INSIDE),

  // ---- 4.2 MMIO ----
  "4.2.2 ready": described("Only 0 and 1 are written to QueueReady, and only 1 to QueueReset."),
  "4.2.2.2 described": always("The driver accesses nothing but the registers and the configuration space."),
  "4.2.2.2 readOnly": always("The driver does not write read-only registers."),
  "4.2.2.2 writeOnly": always("The driver does not read write-only registers."),
  "4.2.2.2 width": always("Registers are accessed with 32 bits, aligned."),
  "4.2.2.2 config": always(
    "Fields of the configuration space are accessed as wide as they are, 64 bits in two halves.",
  ),
  "4.2.2.2 ignore": unseen(
    "The driver ignores devices with another MagicValue or Version, or DeviceID 0.",
    DISCOVERY,
  ),
  "4.2.2.2 deviceSel": strict("The driver writes DeviceFeaturesSel before it reads DeviceFeatures."),
  "4.2.2.2 driverSel": strict("The driver writes DriverFeaturesSel before it writes DriverFeatures."),
  "4.2.2.2 size": unseen(
    "The driver writes a QueueSize of at most QueueSizeMax.",
    "reported as 2.7 size and 2.8.10.1 size, which hold on every transport",
  ),
  "4.2.2.2 queue": always("The queue that the driver configures exists, and QueueReady is 0."),
  "4.2.2.2 readBack": strict("After the driver has written 0 to QueueReady it reads it back."),
  "4.2.2.2 undefined": unseen("The driver ignores undefined bits of InterruptStatus.", INSIDE),
  "4.2.2.2 acknowledge": always("The driver sets no undefined bits in InterruptACK."),
  "4.2.2.2 handled": strict(
    "The driver acknowledges the events that it has handled: those that it saw in InterruptStatus.",
  ),
  "4.2.2.2 queueReset": unseen(
    "The driver takes a queue for reset once QueueReset reads 0.",
    "reported as 2.6.1.1.2 verify, which holds on every transport",
  ),
  "4.2.3.1.1 start": strict(
    "The driver first reads MagicValue and Version, then DeviceID, before anything else.",
  ),
  "4.2.3.1.1 sharedMemory": strict("A driver that expects no shared memory does not use its registers."),
  "4.2.3.2 fields": describedStrict("The driver sets a queue's addresses before QueueReady."),
  "4.2.3.4.1 status": unseen(
    "After an interrupt the driver reads InterruptStatus, and acknowledges in the end.",
    "one that has not done so yet cannot be told from one that never does; see 4.2.2.2 handled",
  ),
  "4.2.4 described": described(
    "The driver accesses nothing but the legacy registers and the configuration space.",
  ),
  "4.2.4 readOnly": described("The driver does not write read-only registers."),
  "4.2.4 writeOnly": described("The driver does not read write-only registers."),
  "4.2.4 width": described("Registers are accessed with 32 bits, aligned."),
  "4.2.4 config": described("Accesses to the configuration space stay inside it."),
  "4.2.4 acknowledge": described("The driver sets no undefined bits in InterruptACK."),
  "4.2.4 queue": described("The queue that the driver configures exists, and is not in use."),
  "4.2.4 page": described("GuestPageSize and QueueAlign are powers of two, written before QueuePFN."),

  // ---- 5.1 Network ----
  "5.1.4.2 write": unseen(
    "The driver writes no field of the configuration space.",
    "it is reported as a breach of 2.5.1",
  ),
  "5.1.4.2 mac": unseen("With VIRTIO_NET_F_MAC the driver's address is `mac`, else one of its own.", INSIDE),
  "5.1.4.2 status": unseen(
    "The driver reads the link's status, and takes it for up without the feature.",
    INSIDE,
  ),
  "5.1.4.2 receive": strict("With VIRTIO_NET_F_MTU a frame of that size fits the receive buffers."),
  "5.1.4.2 mtu": always(
    "With VIRTIO_NET_F_MTU no frame without segmentation is longer than the MTU and its header.",
  ),
  "5.1.4.2 speed": unseen(
    "The driver takes other values of speed and duplex than the known ones for unknown.",
    INSIDE,
  ),
  "5.1.4.2 negotiate": unseen(
    "The driver should accept VIRTIO_NET_F_MAC, MTU and STANDBY where they are offered.",
    "to do without is no mistake",
  ),
  "5.1.4.3 endian": unseen(
    "On a legacy interface status and max_virtqueue_pairs are in the guest's endianness.",
    X86,
  ),
  "5.1.6.1 endian": unseen("On a legacy interface the header is in the guest's endianness.", X86),
  "5.1.6.1 used": unseen(
    "On a legacy interface the driver ignores used lengths but those of receive queues.",
    INSIDE,
  ),
  "5.1.6.2 frame": described("A packet is a header and a frame of 14 to 65,557 bytes."),
  "5.1.6.2 transmitq": describedStrict("The driver puts no device-writable buffer into a transmit queue."),
  "5.1.6.2.1 buffers": strict("In packets to transmit num_buffers is 0."),
  "5.1.6.2.1 csum": always("Without VIRTIO_NET_F_CSUM the driver leaves no checksum to the device."),
  "5.1.6.2.1 gso": always(
    "No gso_type but those of VIRTIO_NET_F_HOST_TSO4 and TSO6, where they were negotiated.",
  ),
  "5.1.6.2.1 ecn": described("VIRTIO_NET_HDR_GSO_ECN is for VIRTIO_NET_F_HOST_ECN."),
  "5.1.6.2.1 header": always(
    "Checksum and segment size are inside the frame, and what is to be segmented is TCP, with NEEDS_CSUM.",
  ),
  "5.1.6.2.1 pseudo": unseen(
    "Where a checksum is left to the device stands that of the pseudo header, and those before it are right.",
    "a wrong one makes a wrong checksum, which is its receiver's to notice",
  ),
  "5.1.6.2.1 hdrLen": unseen(
    "The driver should set hdr_len to the length of the headers at least.",
    "it is a hint: devices must not rely on it, and this one finds the headers itself",
  ),
  "5.1.6.2.1 guestHdrLen": unseen("What drivers do with VIRTIO_NET_F_GUEST_HDRLEN.", NEVER_OFFERED),
  "5.1.6.2.1 flags": strict("The driver sets none of the flags but NEEDS_CSUM."),
  "5.1.6.3 receiveq": describedStrict("The driver puts no device-readable buffer into a receive queue."),
  "5.1.6.3.1 header": always(
    "With VIRTIO_NET_F_MRG_RXBUF a receive buffer has room for the header at least.",
  ),
  "5.1.6.3.1 size": unseen(
    "Without VIRTIO_NET_F_MRG_RXBUF receive buffers should have 1,526 bytes, or 65,562 with segmentation.",
    "smaller ones are no mistake; those too small for the MTU are reported under 5.1.4.2",
  ),
  "5.1.6.3.1 populate": unseen(
    "Each receive queue that is used should have buffers.",
    "it may get them at any time",
  ),
  "5.1.6.4.2 flags": unseen("The driver ignores flags that it does not know.", INSIDE),
  "5.1.6.4.2 fields": unseen(
    "The driver uses csum_start and csum_offset only where the flags say so.",
    INSIDE,
  ),
  "5.1.6.4.2 rely": unseen(
    "The driver relies neither on hdr_len nor on a checksum that nobody has looked at.",
    INSIDE,
  ),
  "5.1.6.5 command": described(
    "A command is class, command and their data, as there are, and a byte for the ack.",
  ),
  "5.1.6.5.1 value": described("A receive mode is switched by 0 or 1."),
  "5.1.6.5.1.2 negotiated": always(
    "Receive modes are commanded only with VIRTIO_NET_F_CTRL_RX, the further ones with CTRL_RX_EXTRA.",
  ),
  "5.1.6.5.2.2 negotiated": always(
    "MAC addresses are commanded only with VIRTIO_NET_F_CTRL_RX, the device's own with CTRL_MAC_ADDR.",
  ),
  "5.1.6.5.2.2 set": unseen(
    "With VIRTIO_NET_F_CTRL_RX the driver sets its address if it is not `mac`.",
    "a driver that does not is not seen to have another one",
  ),
  "5.1.6.5.2.2 table": always("The first list of addresses has no multicast address, the second no other."),
  "5.1.6.5.2.3 endian": unseen(
    "On a legacy interface the lists' lengths are in the guest's endianness.",
    X86,
  ),
  "5.1.6.5.3 negotiated": described("VLANs are commanded only with VIRTIO_NET_F_CTRL_VLAN."),
  "5.1.6.5.3 id": described("A VLAN is a number of 12 bits."),
  "5.1.6.5.3.2 endian": unseen("On a legacy interface a VLAN is in the guest's endianness.", X86),
  "5.1.6.5.4 negotiated": described("ANNOUNCE_ACK is for VIRTIO_NET_F_GUEST_ANNOUNCE."),
  "5.1.6.5.4.1 announce": unseen(
    "When ANNOUNCE is set the driver tells its peers, and sends ANNOUNCE_ACK.",
    "there is no time within which it has to",
  ),
  "5.1.6.5.6 negotiated": described("VQ_PAIRS_SET is for VIRTIO_NET_F_MQ."),
  "5.1.6.5.6.1 configured": always("Queues are configured before VQ_PAIRS_SET enables them."),
  "5.1.6.5.6.1 count": always("VQ_PAIRS_SET asks for 1 to max_virtqueue_pairs pairs."),
  "5.1.6.5.6.1 pairs": always("Packets are queued only in transmit queues that VQ_PAIRS_SET has enabled."),
  "5.1.6.5.6.3 endian": unseen("On a legacy interface virtqueue_pairs is in the guest's endianness.", X86),
  "5.1.6.5.7 rss": unseen("What drivers do with VIRTIO_NET_F_RSS and with hashes.", NEVER_OFFERED),
  "5.1.6.5.8 negotiated": described("Offloads are commanded only with VIRTIO_NET_F_CTRL_GUEST_OFFLOADS."),
  "5.1.6.5.8.2 negotiated": always("No offload is enabled whose feature was not negotiated."),
  "5.1.6.5.8.3 endian": unseen("On a legacy interface the offloads are in the guest's endianness.", X86),
  "5.1.6.5.9 coalescing": unseen("What drivers do with VIRTIO_NET_F_NOTF_COAL.", NEVER_OFFERED),
  "5.1.6.6 header": strict(
    "On a legacy interface without VIRTIO_F_ANY_LAYOUT the header is one descriptor, and the data comes in others.",
  ),
  "5.1.6.6 control": strict(
    "On a legacy interface without VIRTIO_F_ANY_LAYOUT class and command are one descriptor, and the ack is one.",
  ),

  // ---- 5.2 Block ----
  "5.2.4.1 endian": unseen(
    "On a legacy interface the configuration space is in the guest's endianness.",
    X86,
  ),
  "5.2.5.1 writeback": strict("The driver does not read writeback before FEATURES_OK."),
  "5.2.5.1 zoned": unseen("What drivers of zoned devices have to do.", NEVER_OFFERED),
  "5.2.6 request": described("A request has a header of 16 readable bytes and a writable status byte."),
  "5.2.6.1 capacity": strict("No request reads or writes beyond the capacity."),
  "5.2.6.1 flush": strict("The sector of a flush is 0."),
  "5.2.6.1 multiple": always("The data of a read or write is a multiple of 512 bytes."),
  "5.2.6.1 segments": strict(
    "The data of a discard, write zeroes or secure erase is a multiple of 16 bytes.",
  ),
  "5.2.6.1 id": strict("The data of a GET_ID request is 20 bytes."),
  "5.2.6.1 most": strict(
    "Discards, secure erases and write zeroes have at most as many segments as the device says.",
  ),
  "5.2.6.1 unmap": strict("The unmap bit of a discard is 0."),
  "5.2.6.1 writeback": unseen("Nothing is taken for persistent because writeback was set to 0.", INSIDE),
  "5.2.6.1 failed": unseen("Nothing is assumed of a failed discard, or of discarded sectors.", INSIDE),
  "5.2.6.1 zoned": unseen("What drivers of zoned devices have to do.", NEVER_OFFERED),
  "5.2.6.3 endian": unseen("On a legacy interface requests are in the guest's endianness.", X86),
  "5.2.6.3 flushOut": unseen("The driver takes VIRTIO_BLK_T_FLUSH_OUT for a flush.", INSIDE),
  "5.2.6.4 framing": strict(
    "On a legacy interface without VIRTIO_F_ANY_LAYOUT the header is one descriptor, and the status byte is one.",
  ),
  "5.2.6.4 scsi": unseen("How SCSI commands are framed.", NEVER_OFFERED),

  // ---- 5.3 Console ----
  "5.3.4.1 endian": unseen(
    "On a legacy interface the configuration space is in the guest's endianness.",
    X86,
  ),
  "5.3.6.1 receiveq": strict("The driver puts no device-readable buffer into a receive queue."),
  "5.3.6.1 transmitq": strict("The driver puts no device-writable buffer into a transmit queue."),
  "5.3.6.2 message": described(
    "A control message is 8 bytes, of a kind that drivers send, for a port that exists.",
  ),
  "5.3.6.2 buffer": described("A buffer for control messages has room for one."),
  "5.3.6.2.2 ready": strict(
    "With VIRTIO_CONSOLE_F_MULTIPORT the driver sends DEVICE_READY, before other messages.",
  ),
  "5.3.6.2.2 open": strict("The driver answers CONSOLE_PORT with PORT_OPEN, of value 1."),
  "5.3.6.3 endian": unseen("On a legacy interface control messages are in the guest's endianness.", X86),
  "5.3.6.4 framing": strict(
    "On a legacy interface without VIRTIO_F_ANY_LAYOUT buffers in the control queues are one descriptor.",
  ),

  // ---- 5.4 Entropy ----
  "5.4.6.1 readable": always("The driver puts no device-readable buffer into the queue."),
  "5.4.6.1 length": unseen("The driver looks at the used length to know how many bytes are random.", INSIDE),

  // ---- 6 Reserved feature bits ----
  "6.1 version1": always("The driver accepts VIRTIO_F_VERSION_1."),
  "6.1 platform": unseen(
    "What drivers do about VIRTIO_F_ACCESS_PLATFORM and VIRTIO_F_ORDER_PLATFORM.",
    NEVER_OFFERED,
  ),
  "6.1 addresses": unseen(
    "Without VIRTIO_F_ACCESS_PLATFORM the driver passes only physical addresses.",
    "every address is a physical one to the device; one outside memory is reported as 2.7.5 or 2.8.4 inside",
  ),
  "6.1 sriov": unseen("What drivers do about VIRTIO_F_SR_IOV.", NEVER_OFFERED),
  "6.3 unused": described("A legacy driver does not accept bit 30, by which blind ones are known."),
  "6.3 anyLayout": unseen(
    "A transitional driver accepts VIRTIO_F_ANY_LAYOUT.",
    "on a legacy interface it cannot be told from a legacy driver, which need not",
  ),
};

/** A MUST that is checked in any case. */
function always(demands: string): Sentence {
  return { demands, must: true, seen: "always" };
}

/** A MUST that is checked in strict mode. */
function strict(demands: string): Sentence {
  return { demands, must: true, seen: "strict" };
}

/** A statement of the text, checked in any case. */
function described(demands: string): Sentence {
  return { demands, must: false, seen: "always" };
}

/** A statement of the text, checked in strict mode. */
function describedStrict(demands: string): Sentence {
  return { demands, must: false, seen: "strict" };
}

function unseen(demands: string, why: string): Unseen {
  return { demands, unseen: why };
}
