import { type Chapter, from, onBoth } from "../requirement.ts";

export const entropy: Chapter = {
  title: "5.4: entropy device",
  sections: [
    {
      number: "5.4.6.2",
      title: "Device operation",
      rows: {
        random: {
          must: "puts at least one random byte into the buffer",
          tests: from("virtio-entropy")(
            ...onBoth("5.4.6: fills every buffer completely, whatever its segments"),
            "5.4.6.2: a request beyond 64 KiB gets 64 KiB, and used.len says so",
          ),
        },
      },
    },
  ],
};
