/** Members of a relay's rooms that pass frames around, in a process of their own (./relay-load-process.ts starts it). */
import { once } from "node:events";
import { WebSocket } from "ws";
import { HEADER } from "../../../src/net/packet.ts";
import { decodeBatch, encodeBatch, SUBPROTOCOL } from "../../../src/net/relay-protocol.ts";

export interface LoadRequest {
  /** The relay's URL, without a room. */
  relay: string;
  protocol: "plain" | "extended";
  rooms: number;
  members: number;
  /** Bytes of a frame. */
  frame: number;
  /** Frames that go round a room for each of its members. */
  depth: number;
  /** Milliseconds, without those before them in which nothing is counted. */
  duration: number;
}

export interface LoadResult {
  /** Frames that arrived, a second. */
  rate: number;
  /** Milliseconds from one member to the next: of 99 in 100 frames at most. */
  p99: number;
}

const WARM_UP = 1000;
/** Of the timestamp in a frame, after the Ethernet header. */
const STAMP = 14;

class Traffic {
  #counting = false;
  #delays: number[] = [];

  /** Called for every frame that arrives. */
  arrived(view: DataView, at: number): void {
    if (this.#counting) this.#delays.push(performance.now() - view.getFloat64(at + STAMP));
  }

  async count(duration: number): Promise<LoadResult> {
    await new Promise((resolve) => setTimeout(resolve, WARM_UP));
    this.#counting = true;
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, duration));
    this.#counting = false;
    const seconds = (performance.now() - start) / 1000;
    const delays = this.#delays.sort((one, other) => one - other);
    if (delays.length === 0) throw new Error("No frame came through the relay.");
    return { rate: delays.length / seconds, p99: delays[Math.floor(delays.length * 0.99)]! };
  }
}

async function load(request: LoadRequest): Promise<LoadResult> {
  const traffic = new Traffic();
  const sockets: WebSocket[] = [];
  for (let room = 0; room < request.rooms; room++) {
    sockets.push(...(await openRoom(request, room, traffic)));
  }
  try {
    return await traffic.count(request.duration);
  } finally {
    for (const socket of sockets) socket.terminate();
  }
}

async function openRoom(request: LoadRequest, room: number, traffic: Traffic): Promise<WebSocket[]> {
  const { members, depth, protocol } = request;
  const sockets = await Promise.all(
    Array.from({ length: members }, (_, member) => join(request, room, member, traffic)),
  );
  // Each makes itself known, so that nothing is flooded.
  for (const [member, socket] of sockets.entries()) {
    const packets = Array.from({ length: depth }, () => packetFor(request, room, member));
    if (protocol === "extended") socket.send(encodeBatch(packets));
    else for (const packet of packets) socket.send(packet.subarray(HEADER));
  }
  return sockets;
}

async function join(
  { relay, protocol, members, ...request }: LoadRequest,
  room: number,
  member: number,
  traffic: Traffic,
): Promise<WebSocket> {
  const url = `${relay}?room=load-${room}`;
  const socket = new WebSocket(url, protocol === "extended" ? SUBPROTOCOL : [], { perMessageDeflate: false });
  socket.binaryType = "nodebuffer";
  await once(socket, "open");
  if (protocol === "extended") {
    socket.send(JSON.stringify({ type: "hello", mac: addressText(room, member) }));
    await once(socket, "message"); // welcome
  } else socket.send(packetFor({ ...request, relay, protocol, members }, room, member).subarray(HEADER));
  let owed = 0;
  socket.on("message", (data: Buffer, isBinary) => {
    if (!isBinary) return;
    const packets = protocol === "extended" ? decodeBatch(data) : [withHeader(data)];
    const mine = (packets ?? []).filter((packet) => packet[HEADER + 5] === member);
    for (const packet of mine) passOn(packet, member, members, traffic);
    if (protocol === "extended") {
      owed += data.length;
      if (owed > 65536) {
        socket.send(JSON.stringify({ type: "credit", bytes: owed }));
        owed = 0;
      }
      if (mine.length > 0) socket.send(encodeBatch(mine));
    } else for (const packet of mine) socket.send(packet.subarray(HEADER));
  });
  return socket;
}

/** Turns a frame that came into the one for the next member. */
function passOn(packet: Uint8Array, member: number, members: number, traffic: Traffic): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  traffic.arrived(view, HEADER);
  packet[HEADER + 5] = (member + 1) % members;
  packet[HEADER + 11] = member;
  view.setFloat64(HEADER + STAMP, performance.now());
}

function withHeader(frame: Buffer): Uint8Array {
  const packet = new Uint8Array(HEADER + frame.length);
  packet.set(frame, HEADER);
  return packet;
}

/** From a member of a room to the next one. */
function packetFor({ frame, members }: LoadRequest, room: number, member: number): Uint8Array {
  const packet = new Uint8Array(HEADER + frame);
  packet.set(address(room, (member + 1) % members), HEADER);
  packet.set(address(room, member), HEADER + 6);
  packet.set([0x88, 0xb5], HEADER + 12); // for experiments on one's own network
  new DataView(packet.buffer).setFloat64(HEADER + STAMP, performance.now());
  return packet;
}

function address(room: number, member: number): number[] {
  return [0x02, 0, 0x5e, room >> 8, room & 0xff, member];
}

function addressText(room: number, member: number): string {
  return address(room, member)
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join(":");
}

process.once("message", (request: LoadRequest) => {
  load(request).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
