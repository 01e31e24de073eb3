import { useId } from "preact/hooks";
import type { ConfigError } from "../../config/error.ts";
import type { Option } from "../../config/options.ts";
import { storesOf } from "../../config/platform.ts";

export interface OptionFieldProps {
  option: Option<object, unknown>;
  /** As the grammar writes it; empty for the standard value. */
  value: string;
  error: ConfigError | undefined;
  onChange: (value: string) => void;
}

/** One option of the grammar as a form's field: a check box for on and off, a list for a few words, a text otherwise. */
export function OptionField({ option, value, error, onChange }: OptionFieldProps) {
  const id = useId();
  const { word, type, help } = option;
  // A file on the visitor's disk is for the command line.
  const choices = word === "store" ? storesOf("browser") : type.choices;
  const common = { id, "aria-describedby": `${id}-help`, "aria-invalid": error !== undefined };
  const isSwitch = choices?.join() === "on,off";
  return (
    <div class={`field ${isSwitch ? "switch" : ""}`} data-word={word}>
      <label for={id}>{word}</label>
      {isSwitch ? (
        <input
          {...common}
          type="checkbox"
          checked={value === "on"}
          onChange={(event) => onChange(event.currentTarget.checked ? "on" : "off")}
        />
      ) : choices ? (
        <select {...common} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...common}
          type="text"
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
      <span class="field-help" id={`${id}-help`}>
        {help}
      </span>
    </div>
  );
}
