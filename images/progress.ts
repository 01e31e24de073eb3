/** What a person sees while an image is made. */
export interface Progress {
  /** A new step begins. */
  step(text: string): void;
  /** Bytes of the present step: done so far, and in all. */
  bytes(done: number, total: number): void;
  warn(text: string): void;
  /** All steps are done. */
  done(text: string): void;
}

/** Lines on a stream; on a terminal the bytes count up in place, elsewhere at every quarter. */
export function streamProgress(
  stream: NodeJS.WritableStream & { isTTY?: boolean },
  prefix: string,
): Progress {
  const terminal = stream.isTTY === true;
  let current = "";
  let inPlace = false;
  let quarter = -1;
  const line = (text: string): void => {
    stream.write(`${inPlace ? "\r\x1b[K" : ""}${prefix}${text}\n`);
    inPlace = false;
  };
  return {
    step(text) {
      if (inPlace) stream.write("\n");
      inPlace = false;
      current = text;
      quarter = -1;
      line(`${text} …`);
    },
    bytes(done, total) {
      const percent = total > 0 ? Math.floor((Math.min(done, total) / total) * 100) : 100;
      const text = `${current}: ${megabytes(done)} of ${megabytes(total)} (${percent} %)`;
      if (terminal) {
        stream.write(`\r\x1b[K${prefix}${text}`);
        inPlace = true;
      } else if (Math.floor(percent / 25) > quarter) {
        quarter = Math.floor(percent / 25);
        if (quarter > 0) line(text);
      }
    },
    warn: (text) => line(`Warning: ${text}`),
    done: line,
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
