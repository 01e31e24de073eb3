import { useState } from "preact/hooks";
import type { Breakpoint, TracedDevice } from "../../../inspect/types.ts";
import { Button } from "../../parts/button.tsx";
import { describeBreakpoint, draftOf, EMPTY_DRAFT } from "../breakpoint-form.ts";
import type { Breakpoints } from "../breakpoints.ts";
import { BreakpointEditor } from "./breakpoint-editor.tsx";

export interface BreakpointListProps {
  breakpoints: Breakpoints;
  devices: readonly TracedDevice[];
}

/** Where the machine is to stop, and a form for one more. */
export function BreakpointList({ breakpoints, devices }: BreakpointListProps) {
  const [editing, setEditing] = useState<Breakpoint | "new" | undefined>(undefined);
  const list = breakpoints.list.value;
  return (
    <section class="breakpoints" aria-label="Breakpoints">
      {list.length === 0 && <p class="time-hint">The machine stops nowhere yet.</p>}
      <ul class="breakpoint-list">
        {list.map((breakpoint) => (
          <li key={breakpoint.id} class="breakpoint">
            <label class="check">
              <input
                type="checkbox"
                checked={breakpoint.enabled}
                onChange={({ currentTarget }) =>
                  void breakpoints.enable(breakpoint.id, currentTarget.checked)
                }
              />
              <span>{describeBreakpoint(breakpoint)}</span>
            </label>
            <Button label="Edit" onClick={() => setEditing(breakpoint)} />
            <Button
              label={`Remove: ${describeBreakpoint(breakpoint)}`}
              icon="close"
              compact
              onClick={() => void breakpoints.remove(breakpoint.id)}
            />
          </li>
        ))}
      </ul>
      <p class="time-problem" role="alert">
        {breakpoints.problem.value}
      </p>
      {editing === undefined ? (
        <Button label="Add a breakpoint" icon="add" onClick={() => setEditing("new")} />
      ) : (
        <BreakpointEditor
          key={editing === "new" ? "new" : editing.id}
          title={editing === "new" ? "A new breakpoint" : "Change the breakpoint"}
          draft={editing === "new" ? EMPTY_DRAFT : draftOf(editing)}
          devices={devices}
          onDone={(place) => {
            setEditing(undefined);
            if (!place) return;
            void (editing === "new" ? breakpoints.add(place) : breakpoints.replace(editing.id, place));
          }}
        />
      )}
    </section>
  );
}
