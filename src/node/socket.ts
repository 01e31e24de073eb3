import { WebSocket } from "ws";
import type { OpenSocket, Socket, SocketEvents } from "../backends/net/socket.ts";
import { LONGEST_BATCH } from "../net/relay-protocol.ts";

/** Milliseconds for the other side to close as well. */
const CLOSE_WITHIN = 1000;

/** The WebSocket of `ws`. */
export const openSocket: OpenSocket = (url, protocols, events) => new NodeSocket(url, protocols, events);

class NodeSocket implements Socket {
  readonly #socket: WebSocket;
  readonly #events: SocketEvents;
  #cause: string | undefined;
  #withoutProtocol = false;
  #ended = false;
  /** Bytes at which somebody wants to hear that it has drained. */
  #mark: number | undefined;

  constructor(url: string, protocols: readonly string[], events: SocketEvents) {
    this.#events = events;
    const socket = new WebSocket(url, [...protocols], {
      perMessageDeflate: false,
      maxPayload: LONGEST_BATCH,
      // Of another origin than the relay's, and with the secret in the URL.
      followRedirects: false,
    });
    this.#socket = socket;
    socket.on("open", () => this.#ended || events.onOpen(socket.protocol));
    socket.on("message", (data, isBinary) => this.#onMessage(data as Buffer<ArrayBuffer>, isBinary));
    socket.on("ping", () => this.#ended || events.onAlive());
    socket.on("pong", () => this.#ended || events.onAlive());
    socket.on("error", (error) => this.#onError(error));
    socket.on("close", (code, reason) => this.#onClose(code, reason.toString()));
  }

  get waiting(): number {
    return this.#socket.bufferedAmount;
  }

  readonly ping = (): void => {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  };

  send(message: string | Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message, this.#written);
  }

  whenDrained(bytes: number): void {
    this.#mark = bytes;
    queueMicrotask(this.#written);
  }

  pause(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    const socket = this.#socket;
    // A paused one would never hear that the other side has closed.
    socket.resume();
    socket.close(1000);
    const late = setTimeout(() => socket.terminate(), CLOSE_WITHIN);
    socket.once("close", () => clearTimeout(late));
  }

  readonly #written = (): void => {
    if (this.#mark === undefined || this.#ended || this.waiting > this.#mark) return;
    this.#mark = undefined;
    this.#events.onDrained();
  };

  #onMessage(data: Buffer<ArrayBuffer>, isBinary: boolean): void {
    if (this.#ended) return;
    // A plain array: of a Buffer `slice` would share its bytes.
    if (isBinary) this.#events.onBinary(new Uint8Array(data.buffer, data.byteOffset, data.length));
    else this.#events.onText(data.toString());
  }

  #onError(error: Error & { code?: string }): void {
    this.#withoutProtocol = error.message === "Server sent no subprotocol";
    this.#cause = causeOf(error);
  }

  #onClose(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.onEnd({ code, reason, cause: this.#cause, withoutProtocol: this.#withoutProtocol });
  }
}

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name cannot be looked up now",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
};

function causeOf({ code, message }: Error & { code?: string }): string | undefined {
  const status = /^Unexpected server response: (\d+)$/.exec(message)?.[1];
  if (status !== undefined) return `it answers with HTTP status ${status}`;
  const cause = CAUSES[code ?? ""] ?? message;
  return cause === "" ? undefined : cause;
}
