import { useState } from "preact/hooks";
import { Button } from "./button.tsx";

export interface CopyButtonProps {
  label: string;
  disabled?: boolean;
  /** Resolves with whether the browser took it. */
  copy: () => Promise<boolean>;
}

/** A button that copies, and says how that went. */
export function CopyButton({ label, disabled = false, copy }: CopyButtonProps) {
  const [copied, setCopied] = useState<boolean>();
  return (
    <Button
      label={copied === undefined ? label : copied ? "Copied" : "The browser refused"}
      icon="copy"
      disabled={disabled}
      onClick={() => void copy().then(setCopied)}
    />
  );
}
