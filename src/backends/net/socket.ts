/** A WebSocket as both platforms have it; src/node/socket.ts and src/worker/socket.ts. */
export interface Socket {
  /** Text, or a binary message whose bytes the caller does not change any more. Ignored when the connection has ended. */
  send(message: string | Uint8Array<ArrayBuffer>): void;
  /** Bytes that were sent and have not left yet. */
  readonly waiting: number;
  /** Has `SocketEvents.onDrained` called once `waiting` is at most `bytes`, unless the connection ends first. One call at a time. */
  whenDrained(bytes: number): void;
  /** Reads no more until `resume`; nothing where the platform cannot (browsers). */
  pause(): void;
  resume(): void;
  /** Asks the other side for a sign of life ({@link SocketEvents.onAlive}). Undefined where the platform cannot (browsers). */
  readonly ping: (() => void) | undefined;
  /** Ends the connection; no event comes after that. */
  close(): void;
}

export interface SocketEvents {
  /** It is open; `protocol` is the subprotocol that the server chose, or "". */
  onOpen(protocol: string): void;
  onBinary(message: Uint8Array<ArrayBuffer>): void;
  onText(message: string): void;
  onDrained(): void;
  /** Something came that is no message. */
  onAlive(): void;
  /** It has ended, or never began: the last event. */
  onEnd(end: SocketEnd): void;
}

export interface SocketEnd {
  /** RFC 6455, 7.4; 1006 when no closing frame came. */
  code: number;
  reason: string;
  /** What the platform says about a failure, as the rest of a sentence; browsers say nothing. */
  cause: string | undefined;
  /** Before it was open, for want of a subprotocol; undefined where that cannot be told (browsers). */
  withoutProtocol: boolean | undefined;
}

/**
 * Never throws: what cannot be opened ends later, and no event comes before it has returned. `protocols` are the subprotocols to
 * offer.
 */
export type OpenSocket = (url: string, protocols: readonly string[], events: SocketEvents) => Socket;
