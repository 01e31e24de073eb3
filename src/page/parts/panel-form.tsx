import type { ComponentChildren } from "preact";

export interface PanelFormProps {
  label: string;
  onSubmit: () => void;
  onCancel: () => void;
  children: ComponentChildren;
}

/** A form that a panel opens for one thing to do. Escape ends it, and leaves the panel open. */
export function PanelForm({ label, onSubmit, onCancel, children }: PanelFormProps) {
  return (
    <form
      class="panel-form"
      aria-label={label}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        // The panel stays.
        event.preventDefault();
        event.stopPropagation();
        onCancel();
      }}
    >
      {children}
    </form>
  );
}
