/** The terminal's stream between worker and page: every byte, in order, and never more on the way than the window. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteChannel } from "../../src/worker/byte-channel.ts";

/** Both ends over one MessageChannel; `handle` gets what the first end sends. */
function pair(handle: (data: Uint8Array) => Promise<void> | undefined, window?: number) {
  const { port1, port2 } = new MessageChannel();
  const sender = new ByteChannel(port1, () => undefined, window);
  const receiver = new ByteChannel(port2, handle, window);
  const dispose = () => {
    sender.dispose();
    receiver.dispose();
  };
  return { sender, receiver, dispose };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("the byte channel", () => {
  it("delivers every byte in order, whatever the sizes of the writes", async () => {
    const received: number[] = [];
    const { sender, dispose } = pair((data) => {
      received.push(...data);
      return undefined;
    });
    const sent: number[] = [];
    for (const size of [1, 0, 2, 16 * 1024, 1, 40_000, 3]) {
      const data = Uint8Array.from({ length: size }, (_, index) => (sent.length + index) & 0xff);
      sent.push(...data);
      void sender.write(data);
    }
    while (received.length < sent.length) await turn();
    assert.deepEqual(received, sent);
    dispose();
  });

  it("copies: the caller may reuse its buffer at once", async () => {
    let received = "";
    const { sender, dispose } = pair((data) => {
      received += new TextDecoder().decode(data);
      return undefined;
    });
    const buffer = new Uint8Array(1);
    for (const letter of "ringside") {
      buffer[0] = letter.charCodeAt(0);
      void sender.write(buffer);
    }
    while (received.length < 8) await turn();
    assert.equal(received, "ringside");
    dispose();
  });

  it("sends the small writes of one turn as one packet", async () => {
    let packets = 0;
    const { sender, dispose } = pair(() => {
      packets++;
      return undefined;
    });
    for (let i = 0; i < 100; i++) void sender.write(Uint8Array.of(i));
    await turn();
    assert.equal(packets, 1);
    dispose();
  });

  it("tells the sender to wait at the window, until the other end is done with enough", async () => {
    const window = 1000;
    const pending: (() => void)[] = [];
    const { sender, dispose } = pair(() => new Promise((resolve) => pending.push(resolve)), window);
    assert.equal(sender.write(new Uint8Array(999)), undefined);
    const room = sender.write(new Uint8Array(1));
    assert(room instanceof Promise);
    let waiting = true;
    void room.then(() => (waiting = false));
    await turn();
    assert.equal(waiting, true, "nothing was taken yet");
    for (const done of pending) done();
    await room;
    assert.equal(sender.write(new Uint8Array(10)), undefined);
    dispose();
  });

  it("keeps the window with a receiver slower than the sender", async () => {
    const window = 4096;
    let taken = 0;
    let sent = 0;
    let most = 0;
    const { sender, dispose } = pair(async (data) => {
      await turn();
      taken += data.length;
    }, window);
    while (sent < 20 * window) {
      sent += 512;
      const room = sender.write(new Uint8Array(512));
      most = Math.max(most, sent - taken);
      await room;
    }
    assert(most <= window, `${most} bytes were on the way`);
    dispose();
  });

  it("lets nobody wait for a channel that is closed", async () => {
    const { sender, dispose } = pair(() => new Promise(() => undefined), 10);
    const room = sender.write(new Uint8Array(10));
    dispose();
    await room;
    assert.equal(sender.write(new Uint8Array(10)), undefined);
  });
});
