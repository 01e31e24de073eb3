import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CollectingSink, PlainTextSink, StreamSink, TailSink } from "../../src/node/sinks.ts";

/** A stream that takes one write at a time, when it is told to. */
class SlowStream extends Writable {
  readonly taken: Buffer[] = [];
  #next: ((error?: Error) => void) | undefined;

  constructor() {
    super({ highWaterMark: 8 });
  }

  override _write(chunk: Buffer, _encoding: string, next: (error?: Error) => void): void {
    this.taken.push(chunk);
    this.#next = next;
  }

  go(error?: Error): void {
    this.#next?.(error);
  }
}

const unexpected = (): never => {
  throw new Error("This should not have been called.");
};

const bytes = (text: string): Buffer => Buffer.from(text);

describe("a stream's sink", () => {
  it("asks to wait while the stream is full, and copies what it is given", async () => {
    const stream = new SlowStream();
    const sink = new StreamSink(stream, unexpected);
    const guestMemory = bytes("abcd");
    assert.equal(sink.write(guestMemory), undefined);
    guestMemory.fill(0);
    const waiting = sink.write(bytes("efghi"));
    assert.ok(waiting instanceof Promise);
    assert.equal(sink.write(bytes("j")), waiting, "one wait for all");

    let ready = false;
    void waiting.then(() => (ready = true));
    stream.go();
    await turn();
    assert.equal(ready, false);
    stream.go();
    stream.go();
    await waiting;
    assert.equal(Buffer.concat(stream.taken).toString(), "abcdefghij");
    assert.equal(stream.listenerCount("drain"), 0);
  });

  it("lets the guest go on when the stream breaks, and says so once", async () => {
    const stream = new SlowStream();
    const errors: Error[] = [];
    const sink = new StreamSink(stream, (error) => errors.push(error));
    const waiting = sink.write(bytes("0123456789"));
    stream.go(new Error("EPIPE"));
    await waiting;
    assert.equal(sink.write(bytes("more")), undefined);
    stream.emit("error", new Error("again"));
    assert.deepEqual(
      errors.map(({ message }) => message),
      ["EPIPE"],
    );
  });
});

describe("a collecting sink", () => {
  it("keeps the text whole, however it was cut", () => {
    const sink = new CollectingSink(100, unexpected);
    for (const byte of bytes("héllo")) sink.write(Uint8Array.of(byte));
    assert.equal(sink.text(), "héllo");
  });

  it("keeps no more than its limit, and says so once", () => {
    let overflows = 0;
    const sink = new CollectingSink(4, () => overflows++);
    for (const text of ["ab", "cd", "e", "f"]) sink.write(bytes(text));
    assert.equal(overflows, 1);
    assert.equal(sink.text(), "abcd");
  });
});

describe("a plain text sink", () => {
  const through = (...pieces: string[]): string => {
    const target = new CollectingSink(1e6, unexpected);
    const sink = new PlainTextSink(target);
    for (const piece of pieces) void sink.write(Buffer.from(piece));
    return target.text();
  };

  it("leaves escape sequences out, and keeps the text", () => {
    assert.equal(
      through("\u001b[1;32m@ringside\u001b[0m:\u001b[1;34m/root\u001b[0m# \u001b[6n\r\n"),
      "@ringside:/root# \n",
    );
    assert.equal(
      through("a\u001b]0;title\u0007b\u001b]2;other\u001b\\c\u001b(Bd\u001b7e\u001b[?1049hf\tg\u0007h"),
      "abcdef\tgh",
    );
  });

  it("gives the same, however the text is cut", () => {
    const unit = fc.constantFrom(
      "a",
      "é",
      "\u001b[0m",
      "\u001b[?25h",
      "\u001b[6n",
      "\u001b(B",
      "\u001b]0;t\u0007",
      "\n",
      "[",
    );
    fc.assert(
      fc.property(fc.array(unit), fc.array(fc.nat(200)), (units, cuts) => {
        const text = Buffer.from(units.join(""));
        const target = new CollectingSink(1e6, unexpected);
        const sink = new PlainTextSink(target);
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        for (const [index, end] of places.slice(1).entries())
          void sink.write(text.subarray(places[index], end));
        assert.equal(target.text(), through(units.join("")));
        assert.equal(target.text(), units.filter((part) => !part.startsWith("\u001b")).join(""));
      }),
    );
  });

  it("does not wait for the end of what is no sequence", () => {
    assert.match(through(`\u001b]${"x".repeat(200)}`, "after"), /after$/);
  });
});

describe("a tail", () => {
  it("has the last lines", () => {
    const sink = new TailSink();
    for (let line = 0; line < 10_000; line++) sink.write(bytes(`line ${line}\n\n`));
    assert.deepEqual(sink.lines(2), ["line 9998", "line 9999"]);
  });
});
