import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./button.tsx";
import type { IconName } from "./icons.tsx";

export interface DisclosureProps {
  label: string;
  icon: IconName;
  open: boolean;
  onToggle: (open: boolean) => void;
  /** Beside the label. */
  badge?: ComponentChildren;
  /** Further classes of the panel. */
  panelClass?: string;
  /** Only made while it is open. */
  children: () => ComponentChildren;
}

/** A button, and a panel below it that Escape, or whatever happens elsewhere, closes. */
export function Disclosure({
  label,
  icon,
  open,
  onToggle,
  badge,
  panelClass = "",
  children,
}: DisclosureProps) {
  const button = useRef<HTMLButtonElement>(null);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return undefined;
    const closeOutside = (event: Event) => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) onToggle(false);
    };
    const closeByKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      onToggle(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", closeOutside);
    document.addEventListener("focusin", closeOutside);
    document.addEventListener("keydown", closeByKey);
    return () => {
      document.removeEventListener("pointerdown", closeOutside);
      document.removeEventListener("focusin", closeOutside);
      document.removeEventListener("keydown", closeByKey);
    };
  }, [open]);

  return (
    <div class="disclosure" ref={root}>
      <Button
        label={label}
        icon={icon}
        buttonRef={button}
        expanded={open}
        controls={id}
        onClick={() => onToggle(!open)}
      >
        {badge}
      </Button>
      <div class={`device-panel ${panelClass}`} id={id} hidden={!open}>
        {open && children()}
      </div>
    </div>
  );
}
