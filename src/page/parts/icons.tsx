/** The page's few icons: 16 by 16, drawn with the text's colour, for eyes only (the controls that carry them have names). */
const paths = {
  power: "M8 1.75v6M4.6 3.9a5.5 5.5 0 1 0 6.8 0",
  reset: "M13.25 8a5.25 5.25 0 1 1-1.6-3.77M13.25 1.75v3h-3",
  pause: "M5.5 3v10M10.5 3v10",
  resume: "M4.75 2.75v10.5L13 8z",
  find: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6 14 14",
  light:
    "M8 10.75a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  dark: "M13.5 9.6A5.75 5.75 0 0 1 6.4 2.5a5.75 5.75 0 1 0 7.1 7.1z",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  up: "M3.5 10 8 5.5l4.5 4.5",
  down: "M3.5 6 8 10.5 12.5 6",
  configure:
    "M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6M10 6.25a1.75 1.75 0 1 0 0-3.5 1.75 1.75 0 0 0 0 3.5zM6 13.25a1.75 1.75 0 1 0 0-3.5 1.75 1.75 0 0 0 0 3.5z",
  devices: "M3.5 3.5h9v9h-9zM6 1.5v2M10 1.5v2M6 12.5v2M10 12.5v2M1.5 6h2M1.5 10h2M12.5 6h2M12.5 10h2",
  disks:
    "M2.5 4c0-1.1 2.5-2 5.5-2s5.5.9 5.5 2-2.5 2-5.5 2-5.5-.9-5.5-2zM2.5 4v8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V4M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2",
  inspect: "M8 1.5v13M1.5 5h4M3.75 2.75 6 5 3.75 7.25M14.5 11h-4M12.25 8.75 10 11l2.25 2.25",
  guests: "M1.75 2.75h12.5v8.5H1.75zM5.5 14h5M8 11.25V14M4.25 5.5l1.75 1.5-1.75 1.5M7.5 8.75h3",
  import: "M8 10.5v-9M5 4.5l3-3 3 3M2.5 9.5v4h11v-4",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  add: "M8 3v10M3 8h10",
  network: "M8 5.5v3M3.5 11.5v-3h9v3M6 1.5h4v4H6zM1.5 11.5h4v3h-4zM10.5 11.5h4v3h-4z",
  networkLost: "M8 5.5v3M3.5 11.5v-3h9v3M6 1.5h4v4H6zM1.5 11.5h4v3h-4zM10.5 11.5h4v3h-4zM1.5 1.5l13 13",
  plug: "M5.5 1.5v3.5M10.5 1.5v3.5M3.5 5h9v2.5a4.5 4.5 0 0 1-9 0zM8 12v2.5",
  record: "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 9.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z",
  stop: "M4 4h8v8H4z",
  download: "M8 1.5v9M5 7.5l3 3 3-3M2.5 9.5v4h11v-4",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

/** A ring of descriptors with one of them lit; the favicon's twin. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <circle class="mark-ring" cx="12" cy="12" r="9" />
      <circle class="mark-lit" cx="12" cy="12" r="9" />
    </svg>
  );
}
