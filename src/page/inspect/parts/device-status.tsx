import type { DeviceView } from "../../../inspect/api.ts";

/** What the two bits are that are no step on the way. */
const TROUBLE = ["FAILED", "DEVICE_NEEDS_RESET", "NEEDS_RESET"];

/** The status field as the way that it is: each bit a step that the driver has taken or not (2.1). */
export function DeviceStatus({ view }: { view: DeviceView }) {
  const steps = view.statusBits.filter(({ name }) => !TROUBLE.includes(name));
  const trouble = view.statusBits.filter(({ name, set }) => set && TROUBLE.includes(name));
  return (
    <div class="status">
      <ol class="status-steps" aria-label={`Device status 0x${view.status.toString(16)}`}>
        {steps.map(({ name, set, meaning, section }) => (
          <li key={name} class="status-step" data-set={set} title={`${meaning} (${section})`}>
            {name}
            <span class="unseen">{set ? ", set" : ", not set"}</span>
          </li>
        ))}
      </ol>
      {trouble.map(({ name, meaning, section }) => (
        <p key={name} class="status-trouble">
          {name}: {meaning} ({section})
        </p>
      ))}
      {view.violations > 0 && (
        <p class="status-trouble">
          {view.violations} {view.violations === 1 ? "violation" : "violations"} of the specification
        </p>
      )}
    </div>
  );
}
