import { SourceFailure } from "./source.ts";
import { toHex } from "./table.ts";

/**
 * The content of a stored file of an image: exactly `length` bytes with that SHA-256 (hexadecimal digits). Takes no more
 * memory than `length` and a bounded rest, whatever is in the file.
 * Rejects with a SourceFailure "wrong".
 */
export async function decodePart(
  stored: Uint8Array<ArrayBuffer>,
  digest: string,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let problem = "a file is no gzip file";
  if (stored[0] === 0x1f && stored[1] === 0x8b) {
    try {
      const content = await gunzip(stored, length);
      if ((await sha256(content)) === digest) return content;
      problem = "a file has a wrong checksum";
    } catch (error) {
      problem = error instanceof SourceFailure ? error.message : "a file is cut short or damaged";
    }
  }
  // Some servers recognise gzip and declare it as an encoding, and then the browser has undone it.
  if (stored.length === length && (await sha256(stored)) === digest) return stored;
  throw new SourceFailure("wrong", problem);
}

/** Hexadecimal digits. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** Bytes that the decoder gets at a time: it makes up to a thousand times as many before it can be stopped. */
const PIECE = 8 * 1024;

/** Exactly `length` bytes, or a rejection. */
async function gunzip(stored: Uint8Array<ArrayBuffer>, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const decoder = new DecompressionStream("gzip");
  const writer = decoder.writable.getWriter();
  const reader = decoder.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const feed = async (): Promise<void> => {
    for (let at = 0; at < stored.length; at += PIECE) await writer.write(stored.subarray(at, at + PIECE));
    await writer.close();
  };
  // Its failure is the reader's as well.
  const fed = feed().catch(() => undefined);
  const content = new Uint8Array(length);
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > length) throw new SourceFailure("wrong", "a file has too many bytes");
      content.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error;
  }
  await fed;
  if (filled !== length) throw new SourceFailure("wrong", "a file has too few bytes");
  return content;
}
