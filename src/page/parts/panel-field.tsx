import type { Ref } from "preact";

export interface PanelFieldProps {
  label: string;
  value: string;
  invalid: boolean;
  /** The element that says what is wrong. */
  problemId: string;
  /** What an empty text means. */
  placeholder?: string;
  inputRef?: Ref<HTMLInputElement>;
  onInput: (value: string) => void;
}

/** A text in a panel's form: a name or a size, which no keyboard should correct. */
export function PanelField(props: PanelFieldProps) {
  const { label, value, invalid, problemId, placeholder, inputRef, onInput } = props;
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
        placeholder={placeholder}
        aria-invalid={invalid}
        aria-describedby={problemId}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}
