import { useId, useState } from "preact/hooks";
import type { Breakpoint, TracedDevice } from "../../../inspect/types.ts";
import { Button } from "../../parts/button.tsx";
import { PanelField } from "../../parts/panel-field.tsx";
import { type BreakpointDraft, type DraftField, EVENT_KINDS, parseBreakpoint } from "../breakpoint-form.ts";

export interface BreakpointEditorProps {
  title: string;
  draft: BreakpointDraft;
  devices: readonly TracedDevice[];
  /** Undefined: nothing is to change. */
  onDone: (place: Omit<Breakpoint, "id" | "enabled"> | undefined) => void;
}

const TEXTS: readonly { field: DraftField; label: string; placeholder: string }[] = [
  { field: "queue", label: "Queue", placeholder: "any" },
  { field: "register", label: "Register", placeholder: "any, as device_status" },
  { field: "sectors", label: "Sectors", placeholder: "any, as 2048-4095" },
  { field: "etherType", label: "EtherType", placeholder: "any, as ARP or 0x0806" },
];

/** What has to match for the machine to stop; empty fields match everything. */
export function BreakpointEditor({ title, draft: given, devices, onDone }: BreakpointEditorProps) {
  const [draft, setDraft] = useState(given);
  const [problems, setProblems] = useState<Partial<Record<DraftField, string>>>({});
  const id = useId();
  const change = (field: DraftField) => (value: string) => {
    setDraft({ ...draft, [field]: value });
    setProblems({ ...problems, [field]: undefined });
  };
  const sentences = Object.values(problems).filter(Boolean);
  return (
    <form
      class="panel-form breakpoint-form"
      aria-label={title}
      onSubmit={(event) => {
        event.preventDefault();
        const result = parseBreakpoint(draft);
        if (result.ok) onDone(result.breakpoint);
        else setProblems(result.problems);
      }}
    >
      <label class="panel-field">
        Device
        <select value={draft.device} onChange={({ currentTarget }) => change("device")(currentTarget.value)}>
          <option value="">any</option>
          {namesOf(devices, draft.device).map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="panel-field">
        Kind of event
        <select
          value={draft.kind}
          aria-invalid={problems.kind !== undefined}
          aria-describedby={id}
          onChange={({ currentTarget }) => change("kind")(currentTarget.value)}
        >
          <option value="">any</option>
          {EVENT_KINDS.map(({ kind, name }) => (
            <option key={kind} value={kind}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {TEXTS.map(({ field, label, placeholder }) => (
        <PanelField
          key={field}
          label={label}
          placeholder={placeholder}
          value={draft[field]}
          invalid={problems[field] !== undefined}
          problemId={id}
          onInput={change(field)}
        />
      ))}
      <p class="time-problem" id={id} role="alert">
        {sentences.join(" ")}
      </p>
      <div class="time-actions">
        <button type="submit" class="button primary">
          Set
        </button>
        <Button label="Cancel" onClick={() => onDone(undefined)} />
      </div>
    </form>
  );
}

/** Also one that is no longer in the machine: the breakpoint waits for it to come back. */
function namesOf(devices: readonly TracedDevice[], chosen: string): string[] {
  const names = devices.map(({ name }) => name);
  return chosen === "" || names.includes(chosen) ? names : [...names, chosen];
}
