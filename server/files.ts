import { resolve } from "node:path";
import sirv from "sirv";

/** A handler in the chain: answers the request, or calls `next` when it is not its own. */
export type Handler = ReturnType<typeof sirv>;

/** Files whose names carry their content's hash never change: Vite puts them under this folder. */
const hashedFolder = "/assets/";
const oneYear = 365 * 24 * 3600;

/**
 * The built page. The folder is read once, at the start: it is complete by then.
 * Brotli and gzip copies made by the build (see vite.config.ts) are sent to browsers that take them.
 */
export function pageFiles(folder: string): Handler {
  return sirv(resolve(folder), {
    etag: true,
    brotli: true,
    gzip: true,
    setHeaders(response, path) {
      const hashed = path.startsWith(hashedFolder);
      response.setHeader("Cache-Control", hashed ? `public, max-age=${oneYear}, immutable` : "no-cache");
    },
  });
}

/**
 * Guest images. They may be rebuilt or added while the server runs, so each request looks at the file system (`dev`),
 * and browsers ask again each time (an unchanged file costs them a 304).
 */
export function imageFiles(folder: string): Handler {
  const serve = sirv(resolve(folder), {
    dev: true,
    etag: true,
    extensions: [],
    setHeaders(response, path) {
      // sirv takes "vmlinux.gz" for a compressed copy of "vmlinux" and would have the browser unpack it. The file itself is
      // what was asked for: the loader counts, unpacks and verifies the bytes.
      if (/\.(gz|br)$/.test(path)) {
        response.setHeader("Content-Encoding", "identity");
        response.setHeader("Content-Type", "application/octet-stream");
      }
    },
  });
  return (request, response, next) => {
    const prefix = "/images";
    if (!request.url?.startsWith(`${prefix}/`)) {
      void next?.();
      return;
    }
    request.url = request.url.slice(prefix.length);
    serve(request, response);
  };
}
