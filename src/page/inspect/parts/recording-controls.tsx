import { useRef, useState } from "preact/hooks";
import type { TraceFormat } from "../../../inspect/api.ts";
import { download } from "../../download.ts";
import { Button } from "../../parts/button.tsx";
import { recordingName } from "../recording-name.ts";
import type { RecordingDesk, TraceSource } from "../source.ts";
import { RecordingDrop } from "./recording-drop.tsx";

const FORMATS: readonly { format: TraceFormat; label: string }[] = [
  { format: "ringside", label: "Save recording" },
  { format: "perfetto", label: "Save for Perfetto" },
  { format: "pcapng", label: "Save frames (pcapng)" },
];

export interface RecordingControlsProps {
  source: TraceSource;
  desk: RecordingDesk;
}

/** The trace as files, and files as traces. */
export function RecordingControls({ source, desk }: RecordingControlsProps) {
  const picker = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      await work();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  const save = (format: TraceFormat) => async () => {
    const start = source.summary.peek()?.start ?? 0;
    // The browser needs a minute to have read it; nothing here waits for that.
    void download(await source.file(format), recordingName(start, format));
  };
  const open = (file: File) => void attempt(() => desk.openRecording(file));
  const recording = desk.recording.value;
  return (
    <section class="recordings" aria-label="Recordings">
      <div class="time-actions">
        {FORMATS.map(({ format, label }) => (
          <Button
            key={format}
            label={label}
            disabled={busy || !source.summary.value}
            onClick={() => void attempt(save(format))}
          />
        ))}
        <Button label="Open recording…" disabled={busy} onClick={() => picker.current?.click()} />
        <input
          ref={picker}
          class="recording-picker"
          type="file"
          hidden
          aria-label="A recording to open"
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            // The same file may be chosen again.
            if (file) open(file);
            currentTarget.value = "";
          }}
        />
        {recording && (
          <Button label="Back to the machine" tone="primary" onClick={() => desk.closeRecording()} />
        )}
      </div>
      {recording && (
        <p class="recording-name" role="status">
          This is the recording <strong>{recording.name}</strong>, not the machine. {recording.note}
        </p>
      )}
      <p class="time-problem" role="alert">
        {problem}
      </p>
      <RecordingDrop onFile={open} />
    </section>
  );
}
