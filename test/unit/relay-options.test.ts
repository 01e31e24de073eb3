/** What a person may say to `ringside relay`. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { STANDARD } from "../../server/relay/limits.ts";
import { openRelay } from "../../server/relay/open.ts";
import { relaySettings } from "../../server/relay/options.ts";

describe("the relay's options", () => {
  it("have safe defaults", () => {
    const settings = relaySettings({}, {});
    assert.deepEqual(settings.limits, STANDARD);
    assert.deepEqual([settings.origins, settings.nats, settings.behindProxy], [[], undefined, false]);
    assert.equal(settings.secrets.size, 0);
  });

  it("read sizes, rates without end, secrets, and NATS from the environment", () => {
    const settings = relaySettings(
      {
        "most-queue": "2M",
        "most-rate": "unlimited",
        idle: "90",
        secret: ["a=b=c", "d=e"],
        origin: ["https://x.example/"],
      },
      { RELAY_NATS: "nats://user:pass@127.0.0.1:4222" },
    );
    assert.equal(settings.limits.queue, 2 << 20);
    assert.equal(settings.limits.rate, Infinity);
    assert.equal(settings.limits.idle, 90_000);
    assert.deepEqual(
      [...settings.secrets],
      [
        ["a", "b=c"],
        ["d", "e"],
      ],
    );
    assert.deepEqual(settings.origins, ["https://x.example"]);
    assert.equal(settings.nats, "nats://user:pass@127.0.0.1:4222");
    assert.equal(relaySettings({}, { RELAY_NATS: "" }).nats, undefined);
  });

  it("refuse what makes no sense, without saying a secret aloud", () => {
    const wrong: [Parameters<typeof relaySettings>[0], RegExp][] = [
      [{ "most-rooms": "0" }, /^--most-rooms 0: expected a whole number from 1/],
      [{ "most-members-per-room": "257" }, /from 1 to 256/],
      [{ "most-members": "unlimited" }, /whole number/],
      [{ origin: ["example.org"] }, /^--origin example\.org: expected/],
      [{ origin: ["https://example.org/page"] }, /expected the beginning/],
      [{ secret: ["hush"] }, /^--secret: expected ROOM=TEXT/],
      [{ nats: "http://hush" }, /^--nats: expected a URL/],
      [{ log: "loud" }, /^--log loud: expected debug, info/],
    ];
    for (const [values, message] of wrong) {
      assert.throws(
        () => relaySettings(values, {}),
        (error: Error) => message.test(error.message) && !error.message.includes("hush"),
      );
    }
  });

  it("a file of secrets has a line for each, and is named where it is wrong", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ringside-relay-"));
    const file = join(folder, "secrets");
    try {
      writeFileSync(file, "# ours\n\nlab=one two\r\nhall=x#y\n");
      await (await openRelay(relaySettings({ secrets: file, log: "silent" }, {}))).close();
      writeFileSync(file, "lab=one\nhush\n");
      await assert.rejects(
        openRelay(relaySettings({ secrets: file }, {})),
        /secrets, line 2: expected ROOM=TEXT/,
      );
      await assert.rejects(openRelay(relaySettings({ secrets: `${file}x` }, {})), /cannot be read/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
