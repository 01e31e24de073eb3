/** Hands a file to the browser's downloads. Resolves when the browser can be expected to have read it. */
export async function download(file: Blob, name: string): Promise<void> {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // No event tells when a download has ended. A slow disk takes 10 MB a second.
  await new Promise((resolve) => setTimeout(resolve, 60_000 + file.size / 10_000));
  URL.revokeObjectURL(url);
}
