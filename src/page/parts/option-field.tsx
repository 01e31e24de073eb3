import { useId } from "preact/hooks";
import type { ConfigError } from "../../config/error.ts";
import type { Option } from "../../config/options.ts";
import { storesOf } from "../../config/platform.ts";

export interface OptionFieldProps {
  option: Option<object, unknown>;
  /** As the grammar writes it; empty for the standard value. */
  value: string;
  error: ConfigError | undefined;
  /** Values that are known to be good, with what they are; any other may be typed. */
  suggestions?: readonly { value: string; label: string }[];
  onChange: (value: string) => void;
}

/** One option of the grammar as a form's field: a check box for on and off, a list for a few words, a text otherwise. */
export function OptionField({ option, value, error, suggestions = [], onChange }: OptionFieldProps) {
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
          list={suggestions.length > 0 ? `${id}-list` : undefined}
          placeholder={option.standardHelp}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
      {suggestions.length > 0 && (
        <datalist id={`${id}-list`}>
          {suggestions.map((suggestion) => (
            <option key={suggestion.value} value={suggestion.value} label={suggestion.label} />
          ))}
        </datalist>
      )}
      <span class="field-help" id={`${id}-help`}>
        {suggestions.find((suggestion) => suggestion.value === value)?.label ?? help}
      </span>
    </div>
  );
}
