/** Downloads with progress for each chunk, and sentences for a person when they fail. */

/** How far one download is. Sizes in bytes as they travel (an image's files are stored compressed). */
export interface DownloadProgress {
  /** What it is, for a person. */
  name: string;
  received: number;
  /** Undefined when nobody said. */
  total: number | undefined;
}

export type ProgressListener = (progress: DownloadProgress) => void;

/** A download that failed, as a sentence for a person. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

/** Starts a download. Rejects with a DownloadError when the server cannot be reached or does not have it. */
export async function request(url: URL, what: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new DownloadError(`${what} could not be downloaded: the server did not answer.`, { cause: error });
  }
  if (response.status === 404) throw new DownloadError(`${what} is not on this server (${url.pathname}).`);
  if (!response.ok || !response.body) {
    throw new DownloadError(`${what} could not be downloaded: the server answered ${response.status}.`);
  }
  return response;
}

/** Passes bytes through and reports how many there were so far, from zero. */
export function counted(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { name, total }: { name: string; total: number | undefined },
  onProgress: ProgressListener,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let received = 0;
  onProgress({ name, received, total });
  return body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        received += chunk.length;
        onProgress({ name, received, total });
        controller.enqueue(chunk);
      },
    }),
  );
}
