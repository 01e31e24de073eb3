import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

export interface DialogProps {
  title: string;
  /** Escape, or a click beside it. */
  onCancel: () => void;
  children: ComponentChildren;
}

/** A modal dialog; the browser keeps the focus inside and gives it back afterwards. */
export function Dialog({ title, onCancel, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      class="dialog"
      ref={element}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onCancel();
      }}
      onPointerDown={(event) => {
        if (event.target === element.current) onCancel();
      }}
    >
      <div class="dialog-content">
        <h2 class="card-title" id={id}>
          {title}
        </h2>
        {children}
      </div>
    </dialog>
  );
}
