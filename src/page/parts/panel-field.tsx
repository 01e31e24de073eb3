import type { Ref } from "preact";

export interface PanelFieldProps {
  label: string;
  value: string;
  invalid: boolean;
  /** The element that says what is wrong. */
  problemId: string;
  inputRef?: Ref<HTMLInputElement>;
  onInput: (value: string) => void;
}

/** A text in a panel's form: a name or a size, which no keyboard should correct. */
export function PanelField({ label, value, invalid, problemId, inputRef, onInput }: PanelFieldProps) {
  return (
    <label class="panel-field">
      {label}
      <input
        ref={inputRef}
        type="text"
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        value={value}
        aria-invalid={invalid}
        aria-describedby={problemId}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}
