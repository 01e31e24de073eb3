import type { DeviceView, FeatureView, RegisterView } from "../../../inspect/api.ts";

/** What stands behind a device. */
export function DeviceBackend({ view }: { view: DeviceView }) {
  if (view.backend.length === 0) return null;
  return (
    <dl class="facts" aria-label="Backend">
      {view.backend.map(({ name, value }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The features that the device offers, with what they mean; and those that a driver took without an offer. */
export function DeviceFeatures({ view }: { view: DeviceView }) {
  const listed = view.features.filter(({ offered, negotiated }) => offered || negotiated);
  return (
    <ul class="feature-entries">
      {listed.map((feature) => (
        <li key={feature.bit} class="feature-entry" data-negotiated={feature.negotiated}>
          <span class="feature-name">
            {feature.name} <span class="feature-bit">bit {feature.bit}</span>
          </span>
          <span class="feature-state">{stateOf(feature)}</span>
          <span class="feature-meaning">
            {feature.meaning} <span class="feature-section">({feature.section})</span>
          </span>
        </li>
      ))}
    </ul>
  );
}

/** By name, as the driver would read them. */
export function DeviceRegisters({ view }: { view: DeviceView }) {
  return (
    <div class="registers" tabIndex={0} role="group" aria-label={`Registers of ${view.name}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Register</th>
            <th scope="col">Offset</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {view.registers.map((register) => (
            <tr key={`${register.name} ${register.offset}`}>
              <th scope="row">{register.name}</th>
              <td>0x{register.offset.toString(16)}</td>
              <td>{valueOf(register)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function stateOf({ offered, negotiated }: FeatureView): string {
  if (negotiated) return offered ? "negotiated" : "taken without an offer";
  return "offered, not taken";
}

function valueOf({ value, width }: RegisterView): string {
  return value === undefined
    ? "not read: that would change it"
    : `0x${value.toString(16).padStart(2 * width, "0")}`;
}
