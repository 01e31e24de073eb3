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

/** Hands a file to the browser's downloads. Resolves when the browser can be expected to have read it. */
export async function download(file: File, name: string): Promise<void> {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // No event tells when a download has ended. A slow disk takes 10 MB a second.
  await new Promise((resolve) => setTimeout(resolve, 60_000 + file.size / 10_000));
  URL.revokeObjectURL(url);
}
