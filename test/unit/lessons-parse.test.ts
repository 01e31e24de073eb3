/** Lessons as files: what is read, and what a teacher is told. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseLesson } from "../../src/page/lessons/parse.ts";
import { renderMarkdown } from "../../src/page/lessons/render.ts";

const TABS = ["split", "time"];
const FRONT = "---\ntitle: A lesson\nsummary: What it is about.\norder: 7\n---\n";

function parse(body: string, front = FRONT) {
  return parseLesson("one.md", `${front}\n${body}`, TABS);
}

/** The problems with a step that has one block. */
function problemsOf(block: string, content: string): string[] {
  return parse(`## Step\n\n\`\`\`${block}\n${content}\n\`\`\`\n`).problems;
}

function waitOf(content: string) {
  const { lesson, problems } = parse(`## Step\n\n\`\`\`wait\n${content}\n\`\`\`\n`);
  assert.deepEqual(problems, []);
  return lesson!.steps[0]!.waits[0]!;
}

describe("a lesson's file", () => {
  it("has front matter, steps, texts, blocks", () => {
    const { lesson, problems } = parse(
      [
        "## First *step*",
        "",
        "Look **here**.",
        "",
        "```sh",
        "just text",
        "```",
        "",
        "```show",
        "tab: split",
        "device: rng",
        "queue: 0",
        "```",
        "",
        "```run",
        "head -c 8 /dev/hwrng | xxd",
        "```",
        "",
        "```wait",
        "event: kick",
        "device: rng",
        "say: The driver kicks.",
        "```",
        "```wait",
        "request: kick, used",
        "```",
        "",
        "## Second",
        "",
        "```open",
        "machine: memory=96M&device=net,wire=tabs:lab",
        "step: 1",
        "```",
      ].join("\n"),
      "---\ntitle: A: lesson\nsummary: It is.\norder: 2\nmachine: memory=96M&device=rng,transport=pci\n---\n",
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(lesson, {
      name: "one",
      title: "A: lesson",
      summary: "It is.",
      order: 2,
      machine: "memory=96M&device=rng,transport=pci",
      steps: [
        {
          title: "First *step*",
          line: 8,
          parts: [
            { type: "text", markdown: "Look **here**.\n\n```sh\njust text\n```" },
            { type: "run", commands: ["head -c 8 /dev/hwrng | xxd"] },
          ],
          waits: [
            { for: "event", event: { kind: "kick", device: "rng" }, say: "The driver kicks." },
            {
              for: "request",
              phases: ["kick", "used"],
              where: { kind: "used" },
              say: "A request that has kick, used",
            },
          ],
          show: { tab: "split", device: "rng", queue: 0 },
        },
        {
          title: "Second",
          line: 35,
          parts: [{ type: "open", config: "memory=96M&device=net,wire=tabs:lab", step: 0 }],
          waits: [{ for: "next", say: "Read on when you are ready." }],
          show: undefined,
        },
      ],
    });
  });

  it("waits for its commands, or for its machine, when it says nothing else", () => {
    const { lesson } = parse(
      "## A\n\n```run\nuname\n```\n\n## B\n\n```machine\nmachine: device=rng,packed=on\n```\n\n## C\n\nWords.\n",
    );
    assert.deepEqual(
      lesson!.steps.map(({ waits }) => waits.map((wait) => wait.for)),
      [["command"], ["machine"], ["next"]],
    );
  });

  it("knows what events have", () => {
    const event = (content: string) => {
      const wait = waitOf(content);
      return wait.for === "event" ? wait.event : undefined;
    };
    assert.deepEqual(event("event: access\nregister: device_status\nwrite: yes\nvalue: 0x0f"), {
      kind: "access",
      register: "device_status",
      write: true,
      value: 15,
    });
    assert.deepEqual(event("event: status\nstatus: FEATURES_OK"), { kind: "status", status: 8 });
    assert.deepEqual(event("event: features\nfeature: VIRTIO_F_RING_PACKED\nwithout: 29"), {
      kind: "features",
      feature: "VIRTIO_F_RING_PACKED",
      without: "29",
    });
    assert.deepEqual(event("event: chain\nsectors: 8-0x10\noperation: read"), {
      kind: "chain",
      sectors: { first: 8, last: 16 },
      operation: "read",
    });
    assert.deepEqual(event("event: frame\netherType: 0x0806\ndirection: out"), {
      kind: "frame",
      etherType: 0x806,
      direction: "out",
    });
    assert.deepEqual(event("violation: 2.3\ndevice: rng"), { kind: "violation", device: "rng", rule: "2.3" });
    assert.deepEqual(event("violation"), { kind: "violation" });
    assert.deepEqual(waitOf("tab: time"), {
      for: "view",
      view: { tab: "time", device: undefined, queue: undefined },
      say: 'You look at the view "time"',
    });
    assert.equal(waitOf("next").for, "next");
    assert.equal(waitOf("state: paused").for, "state");
  });
});

describe("a mistake in a lesson", () => {
  const one = (problems: string[], line: number, words: RegExp) => {
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0]!, new RegExp(`^one\\.md:${line}: `));
    assert.match(problems[0]!, words);
  };

  it("is a sentence with file and line", () => {
    one(problemsOf("wait", "event: kik"), 10, /"kik" is not a value of "event"; there are access, /);
    one(problemsOf("wait", "device: rng\nevent: kick\nregister: x"), 12, /"register" is not a key/);
    one(problemsOf("wait", "say: Hello."), 9, /does not say for what/);
    one(problemsOf("wait", "event: kick\ndevice rng"), 11, /no line of the form/);
    one(problemsOf("wait", "event: status\nstatus: READY"), 11, /no status bit; there are ACKNOWLEDGE/);
    one(problemsOf("wait", "event: chain\nsectors: 9-3"), 11, /no range of sectors/);
    one(problemsOf("wait", "request: kick, flight"), 10, /phases/);
    one(problemsOf("wait", "event: kick\nqueue: first"), 11, /no whole number/);
    one(problemsOf("wait", "event: kick\nevent: used"), 11, /stands twice/);
    one(problemsOf("show", "tab: rings"), 10, /no view "rings"; there are split, time/);
    one(problemsOf("run", ""), 9, /command/);
    one(problemsOf("machine", "machine: device=toaster"), 10, /the machine is none: .*toaster/);
    one(problemsOf("open", ""), 9, /machine: CONFIGURATION/);
    one(problemsOf("open", "machine: device=rng\nstep: 0"), 11, /not the number of a step/);
    one(problemsOf("open", "machine: device=rng\nstep: 2"), 7, /to step 2 of 1/);
  });

  it("also outside of blocks", () => {
    const at = (line: number, words: RegExp, text: string) =>
      one(parseLesson("one.md", text, TABS).problems, line, words);
    at(6, /no steps/, FRONT);
    at(7, /before the first step/, `${FRONT}\nHello\n\n## Step\n`);
    at(7, /second level/, `${FRONT}\n# Title\n\n## Step\n`);
    at(1, /does not begin with front matter/, "## Step\n");
    at(2, /"order: …" is missing/, "---\ntitle: x\nsummary: y\n---\n## Step\n");
    at(
      5,
      /"colour" is not a key of the front matter/,
      "---\ntitle: x\nsummary: y\norder: 1\ncolour: red\n---\n## Step\n",
    );
    assert.match(parseLesson("My Lesson.md", `${FRONT}\n## Step\n`, TABS).problems[0]!, /small letters/);
  });

  it("never makes a lesson that waits for nothing", () => {
    assert.equal(parse("## Step\n\n```wait\nevent: kik\n```\n").lesson, undefined);
  });
});

describe("a lesson's text", () => {
  it("is Markdown without anybody's HTML, scripts or pictures", () => {
    const html = renderMarkdown(
      '<img src=x onerror=alert(1)> **b** [in](javascript:alert(1)) [out](https://example.org/"x) ![p](http://x/y.png)\n\n<script>x</script>\n',
    );
    assert.doesNotMatch(html, /<(img|script)/);
    assert.doesNotMatch(html, /href="javascript/);
    assert.match(html, /<strong>b<\/strong>/);
  });

  it("opens links in a tab of their own", () => {
    assert.equal(
      renderMarkdown("[the text](https://example.org/a?b=c&d=e)").trim(),
      '<p><a href="https://example.org/a?b=c&amp;d=e" target="_blank" rel="noopener noreferrer">the text</a></p>',
    );
  });
});
