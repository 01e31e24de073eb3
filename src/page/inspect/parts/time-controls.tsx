import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import type { Breakpoints } from "../breakpoints.ts";
import { ControlModel, type Pausable } from "../control-model.ts";
import type { StepSource } from "../source.ts";
import { SLOWNESS, slower, STEP_KEYS, type StepKey, stepKey } from "../step-keys.ts";
import { stopSentence } from "../stop-words.ts";
import { BreakpointList } from "./breakpoint-list.tsx";

export interface TimeControlsProps {
  source: StepSource;
  machine: Pausable;
  breakpoints: Breakpoints;
}

/** Stands above the views: pause, step, slow motion, breakpoints, and why the machine stands still. */
export function TimeControls({ source, machine, breakpoints }: TimeControlsProps) {
  const model = useMemo(() => new ControlModel(source, machine), [source, machine]);
  useEffect(() => () => model.dispose(), [model]);
  const root = useRef<HTMLElement>(null);
  const [listed, setListed] = useState(false);
  useKeys(root, model);

  const stopped = model.stopped.value;
  const request = model.request.value;
  const list = breakpoints.list.value;
  const toStep = stopped ? "" : " (while it stands still)";
  const ofRequest = stopped && request === undefined ? " (select an event of a request)" : toStep;
  return (
    <section class="time-controls" aria-label="Stepping" ref={root}>
      <div class="time-buttons">
        <Control
          label={stopped ? "Go on" : "Pause"}
          hint=""
          keyName="pause"
          primary={stopped}
          onClick={() => void model.toggle()}
        />
        <Control
          label="Next crossing"
          hint={toStep}
          keyName="crossing"
          disabled={!stopped}
          onClick={() => void model.step("crossing")}
        />
        <Control
          label="End of request"
          hint={ofRequest}
          keyName="used"
          disabled={!stopped || request === undefined}
          onClick={() => void model.step("used")}
        />
        <Control
          label="To delivery"
          hint={ofRequest}
          keyName="delivery"
          disabled={!stopped || request === undefined}
          onClick={() => void model.step("delivery")}
        />
        <label class="time-slow" title={`Waits after each crossing (${STEP_KEYS.slow.toUpperCase()})`}>
          Slow motion
          <select
            value={model.slowness.value}
            onChange={({ currentTarget: { value } }) => void model.slow(Number(value))}
          >
            {SLOWNESS.map(({ milliseconds, name }) => (
              <option key={milliseconds} value={milliseconds}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <Button
          label="Breakpoints"
          expanded={listed}
          controls="breakpoints"
          onClick={() => setListed(!listed)}
        >
          <span class="badge">{list.filter(({ enabled }) => enabled).length}</span>
        </Button>
      </div>
      <p class="time-why" role="status">
        {model.problem.value ?? stopSentence(source.stop.value, list)}
      </p>
      <div id="breakpoints" hidden={!listed}>
        {listed && <BreakpointList breakpoints={breakpoints} devices={source.summary.value?.devices ?? []} />}
      </div>
    </section>
  );
}

interface ControlProps {
  label: string;
  /** Why it cannot be pressed. */
  hint: string;
  keyName: StepKey;
  disabled?: boolean;
  primary?: boolean;
  onClick: () => void;
}

function Control({ label, hint, keyName, disabled = false, primary = false, onClick }: ControlProps) {
  const key = STEP_KEYS[keyName].toUpperCase();
  return (
    <button
      type="button"
      class={`button ${primary ? "primary" : ""}`}
      title={`${label} (${key})${hint}`}
      aria-keyshortcuts={key}
      disabled={disabled}
      onClick={onClick}
    >
      {label} <kbd aria-hidden="true">{key}</kbd>
    </button>
  );
}

function useKeys(root: { current: HTMLElement | null }, model: ControlModel): void {
  useEffect(() => {
    const inspector = root.current!.closest<HTMLElement>(".inspector") ?? root.current!;
    const acts: Record<StepKey, () => void> = {
      pause: () => void model.toggle(),
      crossing: () => model.stopped.peek() && void model.step("crossing"),
      used: () => model.stopped.peek() && void model.step("used"),
      delivery: () => model.stopped.peek() && void model.step("delivery"),
      slow: () => void model.slow(slower(model.slowness.peek())),
    };
    const pressed = (event: KeyboardEvent): void => {
      const key = stepKey(event, isField(event.target));
      if (!key) return;
      event.preventDefault();
      acts[key]();
    };
    inspector.addEventListener("keydown", pressed);
    return () => inspector.removeEventListener("keydown", pressed);
  }, [model]);
}

/** Something that letters are typed into (a list of choices goes by their first letters). */
function isField(target: EventTarget | null): boolean {
  return (
    target instanceof Element && target.matches("input:not([type=checkbox], [type=radio]), textarea, select")
  );
}
