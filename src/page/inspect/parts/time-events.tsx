import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { describeEvent } from "../../../inspect/decode/describe.ts";
import type { EventKind, TracedDevice, TraceEvent, TraceSummary } from "../../../inspect/types.ts";
import { formatCount } from "../../format.ts";
import { EVENT_KINDS } from "../breakpoint-form.ts";
import { formatMoment } from "../duration.ts";
import { shortName, shortWords } from "../crossing-words.ts";
import { rowsInSight, scrollTo } from "../rows.ts";
import type { TimeModel } from "../time-model.ts";

/** CSS pixels; the style sheet has the same. */
const ROW = 24;

/** The events around the one that is looked at, or the newest ones. Only those in sight are elements. */
export function TimeEvents({ model, summary }: { model: TimeModel; summary: TraceSummary }) {
  const rows = model.rows.value;
  return (
    <section class="time-events" aria-label="Events">
      <Filters model={model} summary={summary} />
      <List model={model} rows={rows} devices={summary.devices} />
      <p class="time-count">{counted(rows, summary)}</p>
    </section>
  );
}

function Filters({ model, summary }: { model: TimeModel; summary: TraceSummary }) {
  const filter = model.filter.value;
  return (
    <div class="time-filters">
      <label class="panel-field">
        Device
        <select
          value={filter.device ?? ""}
          onChange={({ currentTarget: { value } }) =>
            (model.filter.value = { ...filter, device: value === "" ? undefined : value })
          }
        >
          <option value="">all</option>
          {summary.devices.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="panel-field">
        Kind of event
        <select
          value={filter.kind ?? ""}
          onChange={({ currentTarget: { value } }) =>
            (model.filter.value = { ...filter, kind: value === "" ? undefined : (value as EventKind) })
          }
        >
          <option value="">all</option>
          {EVENT_KINDS.map(({ kind, name }) => (
            <option key={kind} value={kind}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

interface ListProps {
  model: TimeModel;
  rows: readonly TraceEvent[];
  devices: readonly TracedDevice[];
}

function List({ model, rows, devices }: ListProps) {
  const list = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ top: 0, height: 400 });
  /** Which row is on top, so that it stays there when others come before it. */
  const onTop = useRef({ seq: -1, offset: 0 });
  const selected = model.selectedSeq.value;
  const shown = useRef<number | undefined>(undefined);

  const measure = () => {
    const { scrollTop, clientHeight } = list.current!;
    const row = Math.floor(scrollTop / ROW);
    onTop.current = { seq: rows[row]?.seq ?? -1, offset: scrollTop - row * ROW };
    if (scrollTop !== sight.top || clientHeight !== sight.height)
      setSight({ top: scrollTop, height: clientHeight });
  };
  useLayoutEffect(() => {
    const { current: element } = list;
    if (!element) return;
    const at = rows.findIndex(({ seq }) => seq === selected);
    if (selected === undefined) {
      element.scrollTop = rows.length * ROW;
    } else if (shown.current !== selected && at >= 0) {
      // Newly selected: brought into sight, once; afterwards whoever scrolls away stays away.
      element.scrollTop = scrollTo(at, element.scrollTop, element.clientHeight, ROW);
    } else {
      const top = rows.findIndex(({ seq }) => seq === onTop.current.seq);
      if (top >= 0) element.scrollTop = top * ROW + onTop.current.offset;
    }
    if (selected === undefined || at >= 0) shown.current = selected;
    measure();
  }, [rows, selected]);

  const scrolled = () => {
    measure();
    const { scrollTop, clientHeight, scrollHeight } = list.current!;
    if (selected === undefined) {
      // Whoever scrolls back wants to read: the list stands still at what is in sight.
      const last = rows[Math.ceil((scrollTop + clientHeight) / ROW) - 1];
      if (last && scrollTop + clientHeight < scrollHeight - 2 * ROW) model.select(last.seq);
      return;
    }
    if (scrollTop < ROW && rows[0]) model.scrolledTo(rows[0].seq, "before");
    else if (scrollTop + clientHeight > scrollHeight - ROW && rows.length > 0)
      model.scrolledTo(rows.at(-1)!.seq, "after");
  };

  const { first, end } = rowsInSight(sight.top, sight.height, ROW, rows.length);
  return (
    <div
      class="time-list"
      ref={list}
      role="listbox"
      tabIndex={0}
      aria-label="Events, oldest first"
      aria-activedescendant={selected === undefined ? undefined : `event-${selected}`}
      onScroll={scrolled}
      onKeyDown={(event) => {
        const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : undefined;
        if (by === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        void model.step(by);
      }}
    >
      <div class="time-rows" role="presentation" style={{ height: `${rows.length * ROW}px` }}>
        {rows.slice(first, end).map((event, at) => (
          <div
            key={event.seq}
            id={`event-${event.seq}`}
            class="time-row"
            role="option"
            aria-selected={event.seq === selected}
            data-kind={devices.find(({ name }) => name === event.device)?.kind}
            style={{ top: `${(first + at) * ROW}px` }}
            title={describeEvent(event, devices)}
            onClick={() => model.select(event.seq)}
          >
            <span class="time-row-time">{formatMoment(event.time)}</span>
            <span class="time-row-device">{event.device}</span>
            <span class="time-row-kind">{shortName(event)}</span>
            <span class="time-row-line">{shortWords(event, devices)}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

/** Exactly what is here, and what is not. */
function counted(rows: readonly TraceEvent[], { first, next, dropped }: TraceSummary): string {
  const [oldest, newest] = [rows[0], rows.at(-1)];
  const here =
    oldest && newest
      ? `Listed: ${rows.length} events, ${oldest.seq} to ${newest.seq}`
      : "No event of this kind is in the trace";
  const lost = dropped > 0 ? `${formatCount(dropped)} older ones had to go` : "none had to go";
  return `${here}. Kept: ${(next - first).toLocaleString("en")}; ${lost}.`;
}
