import type { OpenSocket, Socket, SocketEvents } from "../backends/net/socket.ts";

/** Milliseconds between looks at what waits: no event tells when it has left. */
const LOOK_EVERY = 4;

/** The browser's WebSocket. */
export const openSocket: OpenSocket = (url, protocols, events) => {
  try {
    return new BrowserSocket(new WebSocket(url, [...protocols]), events);
  } catch (error) {
    // A page that came over https may open wss: only, and a policy may forbid it.
    const cause = error instanceof Error ? error.message : String(error);
    queueMicrotask(() => events.onEnd({ code: 1006, reason: "", cause, withoutProtocol: false }));
    return noSocket;
  }
};

class BrowserSocket implements Socket {
  readonly ping = undefined;
  readonly #socket: WebSocket;
  readonly #events: SocketEvents;
  #timer: ReturnType<typeof setInterval> | undefined;
  #ended = false;

  constructor(socket: WebSocket, events: SocketEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#ended || events.onOpen(socket.protocol);
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (this.#ended) return;
      if (typeof data === "string") events.onText(data);
      else events.onBinary(new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => this.#onClose(code, reason);
  }

  get waiting(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message);
  }

  whenDrained(bytes: number): void {
    this.#timer ??= setInterval(() => {
      if (this.waiting > bytes) return;
      this.#stopLooking();
      this.#events.onDrained();
    }, LOOK_EVERY);
  }

  pause(): void {
    // There is no such thing.
  }

  resume(): void {
    // Nor that.
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopLooking();
    this.#socket.close(1000);
  }

  #onClose(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopLooking();
    this.#events.onEnd({ code, reason, cause: undefined, withoutProtocol: undefined });
  }

  #stopLooking(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** What never was. */
const noSocket: Socket = {
  waiting: 0,
  ping: undefined,
  send: () => undefined,
  whenDrained: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
  close: () => undefined,
};
