import { type Chapter, type Requirement, from, onBoth } from "../requirement.ts";

const block = from("virtio-block");
const features = from("virtio-features");
const stable = from("virtio-block-stable");
const offers = from("virtio-block-features");
const cache = from("virtio-block-cache");
const ranges = from("virtio-block-ranges");
const legacy = from("virtio-legacy");

const notOffered = features("2.2.2: block offers what it supports on each transport, and nothing else");
const unsupported = features("5.2.6.2: discard, erase, write zeroes, lifetime and zone requests are UNSUPP");

const refusedFlags = ranges(
  "5.2.6.2: with an unknown flag, or unmap where it means nothing, they are UNSUPP and do nothing",
);

function without(feature: string, must: string, tests = notOffered): Requirement {
  return { must, notApplicable: `VIRTIO_BLK_F_${feature} is not offered`, tests };
}

function notZoned(must: string): Requirement {
  return without("ZONED", must);
}

export const block52: Chapter = {
  title: "5.2: block device",
  sections: [
    {
      number: "5.2.4.1",
      title: "Legacy interface: device configuration layout",
      rows: {
        native: {
          must: "configuration fields are in the guest's byte order",
          tests: legacy(
            "2.7.3, 5.2.4.1, 5.2.6.3: a disk's rings, configuration and requests are little-endian, as the guest is",
          ),
        },
      },
    },
    {
      number: "5.2.5.2",
      title: "Device initialization",
      rows: {
        flush: {
          must: "offers FLUSH if it offers CONFIG_WCE",
          tests: offers("5.2.5.2: FLUSH is offered whenever CONFIG_WCE is, and LIFETIME never"),
        },
        writeback: {
          must: "writeback starts out as 0 if CONFIG_WCE is negotiated and FLUSH is not",
          tests: cache(
            ...onBoth(
              "5.2.5.2: writeback starts as 0 for a driver with CONFIG_WCE and without FLUSH, which may set it",
            ),
          ),
        },
        padding: {
          must: "the padding bytes unused0 and unused1 are 0",
          tests: features("5.2.5.2: what the block device's configuration space does not use reads as 0"),
        },
        legacyZoned: {
          must: "does not offer ZONED to a legacy driver",
          tests: legacy(
            "6.3: every device offers ANY_LAYOUT and bit 30 besides what it has below bit 32, and nothing else",
          ),
        },
        hostManaged: notZoned("a host-managed device refuses FEATURES_OK to a driver without ZONED"),
        model: notZoned("the model field says what the device is"),
        zoneSectors: notZoned("zone_sectors is a zone's size"),
        maxOpen: notZoned("max_open_zones is the most zones that can be open"),
        maxActive: notZoned("max_active_zones is the most zones that can be active"),
        maxAppend: notZoned("max_append_sectors is the most that an append can carry"),
        maxAppendLimit: notZoned("max_append_sectors is not more than seg_max times size_max"),
        granularity: notZoned("write_granularity is the alignment of sequential writes"),
        padding2: notZoned("the padding unused2 is 0"),
      },
    },
    {
      number: "5.2.5.3",
      title: "Legacy interface: device initialization",
      rows: {
        statusKeepsCache: {
          must: "setting status bits does not change the cache mode, save DRIVER_OK without CONFIG_WCE",
          tests: cache(
            "5.2.5.3: it may be switched before anything else, and neither status nor features change it",
            "5.2.5.3: at DRIVER_OK a driver without CONFIG_WCE gets the cache that its FLUSH allows",
          ),
        },
        featuresKeepCache: {
          must: "accepting feature bits does not change the cache mode",
          tests: cache(
            "5.2.5.3: it may be switched before anything else, and neither status nor features change it",
          ),
        },
      },
    },
    {
      number: "5.2.6.2",
      title: "Device operation",
      rows: {
        readOnlyStatus: {
          must: "a write to a device that offers RO ends with IOERR",
          tests: block("5.2.6.2: a read-only disk offers RO and refuses to write"),
        },
        readOnlyData: {
          must: "and writes nothing",
          tests: block("5.2.6.2: a read-only disk offers RO and refuses to write"),
        },
        unknownFlags: {
          must: "discard, secure erase and write zeroes with an unknown flag end with UNSUPP",
          tests: refusedFlags,
        },
        discardUnmap: { must: "discard with the unmap flag ends with UNSUPP", tests: refusedFlags },
        writeZeroes: {
          must: "what write zeroes has covered reads as zeroes, with and without unmap",
          tests: ranges(
            ...onBoth(
              "5.2.6.2: what write zeroes covers reads as zeroes, to the byte, with and without unmap",
            ),
            "5.2.6.2: behave as an array of bytes, whatever is written, zeroed and given back",
          ),
        },
        stable: {
          must: "stable writes are on persistent storage before the write or the flush is reported as done",
          tests: [
            ...block("5.2.6.2: a flush completes only when the backend's does, and other requests pass it"),
            ...stable(
              ...onBoth(
                "5.2.6.2: for a driver without FLUSH a write is done only when it is on persistent storage",
              ),
              "5.2.6.2: for a driver without FLUSH a write that cannot be made persistent fails",
              "5.2.6.2: for a driver with FLUSH a write does not wait for persistent storage",
            ),
            ...cache(
              ...onBoth(
                "5.2.5, 5.2.6.2: the driver switches to write-through and back, and gets what it asked for",
              ),
              "5.2.6.2: in write-through a write that cannot be made durable fails, and zeroes are writes",
            ),
          ],
        },
        lifetimeNotOffered: {
          must: "does not offer LIFETIME when its storage has no such metrics",
          tests: offers("5.2.5.2: FLUSH is offered whenever CONFIG_WCE is, and LIFETIME never"),
        },
        lifetimeValues: without("LIFETIME", "sends no reserved value in them"),
        zoneRequests: {
          must: "without ZONED all zone requests end with UNSUPP",
          tests: unsupported,
        },
        conventional: notZoned(
          "open, close, finish and reset of a conventional zone end with ZONE_INVALID_CMD",
        ),
        appendSwr: notZoned("an append to a zone that is not SWR ends with ZONE_INVALID_CMD"),
        open: notZoned("an impossible open ends with ZONE_INVALID_CMD"),
        openResources: notZoned("an open without resources ends with their status"),
        close: notZoned("an impossible close ends with ZONE_INVALID_CMD"),
        finish: notZoned("an impossible finish ends with ZONE_INVALID_CMD"),
        reset: notZoned("an impossible reset ends with ZONE_INVALID_CMD"),
        implicitOpen: notZoned(
          "a write that cannot open its zone ends with the status of the missing resource",
        ),
        appendStart: notZoned(
          "an append that does not name a zone's first sector ends with ZONE_INVALID_CMD",
        ),
        zoneCapacity: notZoned("a write beyond the zone's writable capacity ends with ZONE_INVALID_CMD"),
        appendSector: notZoned("an append says where its data went"),
        appendUnsupported: notZoned("an append where none is supported ends with UNSUPP"),
        appendTooLong: notZoned("an append longer than max_append_sectors ends with ZONE_INVALID_CMD"),
        manyZones: notZoned("a request across zones ends with ZONE_INVALID_CMD"),
        unaligned: notZoned("a write that is not at the write pointer ends with ZONE_UNALIGNED_WP"),
        readOnlyZone: notZoned("a write to a read-only zone ends with ZONE_INVALID_CMD"),
        offlineZone: notZoned("a request to an offline zone ends with ZONE_INVALID_CMD"),
        unwritten: notZoned("sectors behind the write pointer count as unwritten"),
        readUnwritten: notZoned("a read of unwritten sectors gives a pattern or fails"),
        eraseAlignment: notZoned("secure_erase_sector_alignment is a multiple of zone_sectors"),
        eraseSize: notZoned("a secure erase covers a multiple of zone_sectors"),
        eraseResets: notZoned("a secure erase acts as a reset of its zones"),
      },
    },
    {
      number: "5.2.6.3",
      title: "Legacy interface: device operation",
      rows: {
        native: {
          must: "a request's fields are in the guest's byte order",
          tests: legacy(
            "2.7.3, 5.2.4.1, 5.2.6.3: a disk's rings, configuration and requests are little-endian, as the guest is",
          ),
        },
        flushOut: {
          must: "for a legacy driver FLUSH_OUT is a flush",
          tests: legacy("5.2.6.3: FLUSH_OUT is another name for a flush"),
        },
        scsi: without("SCSI", "the command of a SCSI request is one readable buffer of its own", unsupported),
      },
    },
  ],
};
