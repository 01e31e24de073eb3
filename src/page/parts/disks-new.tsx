import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { entries, kindOf } from "../../config/options.ts";
import { BadValue } from "../../config/values.ts";
import type { Disks } from "../disks/model.ts";
import { Button } from "./button.tsx";
import { PanelField } from "./panel-field.tsx";

const options = Object.fromEntries(entries(kindOf("blk").options));

/** A form for an empty disk. What it says of names and sizes is the grammar's. */
export function NewDisk({ disks, onClose }: { disks: Disks; onClose: () => void }) {
  const [name, setName] = useState("");
  const [size, setSize] = useState("1G");
  const first = useRef<HTMLInputElement>(null);
  const id = useId();
  useLayoutEffect(() => first.current?.focus(), []);

  const mistake = (name !== "" && wrong("id", name)) || wrong("size", size);
  const problem = mistake || disks.problems.value["new"];
  const submit = async () => {
    const bytes = options.size!.type.parse(size) as number;
    if (await disks.create(name, bytes)) onClose();
  };
  return (
    <form
      class="panel-form"
      aria-label="New disk"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (name !== "" && !mistake) void submit();
      }}
    >
      <PanelField
        label="Name"
        value={name}
        invalid={name !== "" && wrong("id", name) !== ""}
        problemId={id}
        inputRef={first}
        onInput={setName}
      />
      <PanelField
        label="Size"
        value={size}
        invalid={wrong("size", size) !== ""}
        problemId={id}
        onInput={setSize}
      />
      <button type="submit" class="button primary" disabled={name === "" || mistake !== ""}>
        Make it
      </button>
      <Button label="Cancel" onClick={onClose} />
      <p class="field-error" id={id} role="status">
        {problem}
      </p>
    </form>
  );
}

/** What is wrong with an option's text; empty when nothing is. */
export function wrong(option: "id" | "size", text: string): string {
  try {
    options[option]!.type.parse(text);
    return "";
  } catch (error) {
    if (error instanceof BadValue) return `Expected: ${error.expected}.`;
    throw error;
  }
}
