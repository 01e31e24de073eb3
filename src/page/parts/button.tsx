import type { ComponentChildren, Ref } from "preact";
import { Icon, type IconName } from "./icons.tsx";

export interface ButtonProps {
  /** The button's name; beside the icon where there is room. */
  label: string;
  icon?: IconName;
  /** The icon alone, whatever the room. */
  compact?: boolean;
  tone?: "plain" | "primary" | "danger";
  disabled?: boolean;
  onClick: () => void;
  buttonRef?: Ref<HTMLButtonElement>;
  id?: string;
  expanded?: boolean;
  controls?: string;
  children?: ComponentChildren;
}

export function Button(props: ButtonProps) {
  const { label, icon, compact = false, tone = "plain", disabled = false, children } = props;
  return (
    <button
      type="button"
      id={props.id}
      class={`button ${tone} ${icon ? "with-icon" : ""} ${compact ? "compact" : ""}`}
      disabled={disabled}
      title={icon ? label : undefined}
      onClick={props.onClick}
      ref={props.buttonRef}
      aria-expanded={props.expanded}
      aria-controls={props.controls}
    >
      {icon && <Icon name={icon} />}
      <span class="button-label">{label}</span>
      {children}
    </button>
  );
}
