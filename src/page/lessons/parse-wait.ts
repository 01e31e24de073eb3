/** A `wait` block: one line says what is waited for, the others say more about it. */
import type { EventKind } from "../../inspect/types.ts";
import {
  BLOCK_OPERATIONS,
  REQUEST_PHASES,
  STATUS_BITS,
  type BlockOperation,
  type EventWait,
  type RequestPhase,
  type ViewPlace,
  type Wait,
  type WaitCondition,
} from "./format.ts";
import { readNumber, type Line, type Lines, type Problems } from "./lines.ts";

const SUBJECTS = ["event", "request", "violation", "terminal", "command", "state", "tab", "device", "next"];

/** As a type they would be all kinds, or an error. */
const KINDS: Record<EventKind, true> = {
  access: true,
  status: true,
  features: true,
  queue: true,
  kick: true,
  chain: true,
  used: true,
  interrupt: true,
  delivery: true,
  acknowledge: true,
  frame: true,
  reset: true,
  violation: true,
};
const STATES = ["running", "paused", "off", "halted"] as const;

/** @param line of the block's opening fence */
export function readWait(
  lines: Lines,
  line: number,
  tabs: readonly string[],
  problems: Problems,
): Wait | undefined {
  const say = lines.text("say");
  const condition = readCondition(lines, line, tabs, problems);
  return condition && { ...condition, say: say ?? describe(condition) };
}

function readCondition(
  lines: Lines,
  line: number,
  tabs: readonly string[],
  problems: Problems,
): WaitCondition | undefined {
  const subject = SUBJECTS.find((candidate) => lines.has(candidate));
  switch (subject) {
    case "event": {
      const kind = lines.oneOf("event", Object.keys(KINDS) as EventKind[]);
      return kind && { for: "event", event: readEvent(kind, lines, problems) };
    }
    case "violation": {
      const rule = lines.take("violation")!.value;
      const event = readEvent("violation", lines, problems);
      return { for: "event", event: { ...event, ...(rule !== "" && { rule }) } };
    }
    case "request": {
      const phases = readPhases(lines.take("request")!, problems);
      return phases && { for: "request", phases, where: readEvent(phases.at(-1)!, lines, problems) };
    }
    case "terminal": {
      const text = lines.text("terminal");
      return text ? { for: "terminal", text } : undefined;
    }
    case "command": {
      const command = lines.text("command");
      return command ? { for: "command", command } : undefined;
    }
    case "state": {
      const state = lines.oneOf("state", STATES);
      return state && { for: "state", state };
    }
    case "tab":
    case "device":
      return { for: "view", view: readView(lines, tabs, problems) };
    case "next":
      lines.take("next");
      return { for: "next" };
    default:
      problems(line, `the wait block does not say for what; one of its lines is ${SUBJECTS.join(", ")}`);
      return undefined;
  }
}

/** `tab`, `device` and `queue` of a `show` block, or of a wait for a view. */
export function readView(lines: Lines, tabs: readonly string[], problems: Problems): ViewPlace {
  const tab = lines.take("tab");
  if (tab && !tabs.includes(tab.value))
    problems(tab.line, `there is no view "${tab.value}"; there are ${tabs.join(", ")}`);
  return { tab: tab?.value, device: lines.text("device"), queue: lines.number("queue") };
}

function readEvent(kind: EventKind, lines: Lines, problems: Problems): EventWait {
  const event: EventWait = {
    kind,
    ...defined("device", lines.text("device")),
    ...defined("queue", lines.number("queue")),
  };
  // Only what events of this kind have: a key that could never match is a mistake.
  const may = (kinds: EventKind[], add: () => Partial<EventWait>) => {
    if (kinds.includes(kind)) Object.assign(event, add());
  };
  may(["access"], () => ({
    ...defined("register", lines.text("register")),
    ...defined("write", lines.yesOrNo("write")),
    ...defined("value", lines.number("value")),
  }));
  may(["status"], () => defined("status", readStatus(lines.take("status"), problems)));
  may(["features"], () => ({
    ...defined("feature", lines.text("feature")),
    ...defined("without", lines.text("without")),
  }));
  may(["queue"], () => defined("enabled", lines.yesOrNo("enabled")));
  may(["chain"], () => ({
    ...defined("sectors", readSectors(lines.take("sectors"), problems)),
    ...defined("operation", lines.oneOf("operation", Object.keys(BLOCK_OPERATIONS) as BlockOperation[])),
  }));
  may(["frame"], () => ({
    ...defined("etherType", lines.number("etherType")),
    ...defined("protocol", lines.number("protocol")),
    ...defined("direction", lines.oneOf("direction", ["in", "out"])),
  }));
  may(["interrupt"], () => defined("suppressed", lines.yesOrNo("suppressed")));
  may(["chain", "used", "frame"], () => defined("contains", lines.text("contains")));
  return event;
}

function defined<K extends keyof EventWait>(key: K, value: EventWait[K] | undefined): Partial<EventWait> {
  return value === undefined ? {} : { [key]: value };
}

function readPhases(line: Line, problems: Problems): RequestPhase[] | undefined {
  const words = line.value.split(/[\s,]+/).filter((word) => word !== "");
  const phases = words.map((word) => REQUEST_PHASES.find((phase) => phase === word));
  if (phases.length > 0 && phases.every((phase) => phase !== undefined)) return phases;
  problems(line.line, `"request" has phases of a request; there are ${REQUEST_PHASES.join(", ")}`);
  return undefined;
}

function readStatus(line: Line | undefined, problems: Problems): number | undefined {
  if (!line) return undefined;
  const named = Object.entries(STATUS_BITS).find(([name]) => name === line.value);
  const bits = named ? named[1] : readNumber(line.value);
  if (bits === undefined)
    problems(line.line, `"${line.value}" is no status bit; there are ${Object.keys(STATUS_BITS).join(", ")}`);
  return bits;
}

function readSectors(line: Line | undefined, problems: Problems) {
  if (!line) return undefined;
  const [first, last = first] = line.value.split("-").map((part) => readNumber(part.trim()));
  if (first !== undefined && last !== undefined && first <= last) return { first, last };
  problems(line.line, `"${line.value}" is no range of sectors, as in 2048-2055`);
  return undefined;
}

/** What a learner reads in the list of what is still to come, where the teacher has not said it. */
function describe(condition: WaitCondition): string {
  switch (condition.for) {
    case "event": {
      const { kind, device, queue, register } = condition.event;
      const of = [device, queue !== undefined && `queue ${queue}`, register].filter(Boolean).join(", ");
      return of === "" ? `An event: ${kind}` : `An event: ${kind} (${of})`;
    }
    case "request":
      return `A request that has ${condition.phases.join(", ")}`;
    case "terminal":
      return `The terminal shows "${condition.text}"`;
    case "command":
      return `You run ${condition.command}`;
    case "state":
      return `The machine is ${condition.state}`;
    case "view": {
      const { tab, device, queue } = condition.view;
      const parts = [tab && `the view "${tab}"`, device, queue !== undefined && `queue ${queue}`].filter(
        Boolean,
      );
      return `You look at ${parts.join(", ")}`;
    }
    case "machine":
      return "The machine runs";
    case "next":
      return "Read on when you are ready";
  }
}
