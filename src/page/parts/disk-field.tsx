import type { Ref } from "preact";

export interface DiskFieldProps {
  label: string;
  value: string;
  invalid: boolean;
  /** The element that says what is wrong. */
  problemId: string;
  inputRef?: Ref<HTMLInputElement>;
  onInput: (value: string) => void;
}

/** A text of a disk's form: a name or a size, which no keyboard should correct. */
export function DiskField({ label, value, invalid, problemId, inputRef, onInput }: DiskFieldProps) {
  return (
    <label class="disk-field">
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
