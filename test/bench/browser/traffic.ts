import type { Server } from "node:http";

/** Counts what a server sends: bytes of bodies, by path. */
export class Traffic {
  #answers: { path: string; bytes: number }[] = [];

  constructor(server: Server) {
    server.prependListener("request", (request, response) => {
      // The handlers may rewrite the address of the request.
      const path = request.url?.split("?", 1)[0] ?? "";
      response.on("finish", () => {
        const length = Number(response.getHeader("content-length") ?? 0);
        if (request.method === "GET" && response.statusCode < 300)
          this.#answers.push({ path, bytes: length });
      });
    });
  }

  /** Bytes and answers since the last `forget`, of paths that begin with `prefix`. */
  of(prefix: string): { bytes: number; requests: number } {
    const answers = this.#answers.filter(({ path }) => path.startsWith(prefix));
    return { bytes: answers.reduce((sum, { bytes }) => sum + bytes, 0), requests: answers.length };
  }

  forget(): void {
    this.#answers = [];
  }
}
