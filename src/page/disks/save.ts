import type { ExportFormat } from "../../worker/disk/protocol.ts";

interface SaveOptions {
  suggestedName: string;
  types?: { description: string; accept: Record<string, string[]> }[];
}

type Picker = (options: SaveOptions) => Promise<FileSystemFileHandle>;

/** How an exported disk's file is called. */
export function fileName(disk: string, format: ExportFormat): string {
  return format === "raw" ? `${disk}.img` : `${disk}.img.gz`;
}

/**
 * Asks where to write a file, in browsers that let a page do so; to be called from a click. Resolves with undefined in others,
 * and with "cancelled" when the person thought better of it.
 */
export async function chooseFile(
  disk: string,
  format: ExportFormat,
): Promise<FileSystemFileHandle | "cancelled" | undefined> {
  const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (!picker) return undefined;
  try {
    return await picker.call(window, {
      suggestedName: fileName(disk, format),
      types: [
        format === "raw"
          ? { description: "Disk image", accept: { "application/octet-stream": [".img"] } }
          : { description: "Compressed disk image", accept: { "application/gzip": [".gz"] } },
      ],
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return "cancelled";
    throw error;
  }
}
