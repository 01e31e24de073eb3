import { formatDuration } from "../duration.ts";
import { formatAddress } from "../hex.ts";
import type { Inspection } from "../model.ts";
import { type StoryStep, storyOf } from "../request-story.ts";
import type { Selected } from "../source.ts";
import { colourOf } from "../rings/layout.ts";
import type { SplitModel } from "../split-model.ts";

/** Rows for buffers: always as many, so that nothing moves. */
const BUFFERS = 3;

/** One request from its descriptors to its interrupt: that of the event that is selected, or the newest of the device. */
export function SplitRequest({ model, live }: { model: SplitModel; live: Inspection | undefined }) {
  const { source, look, newest } = model;
  const selected = source.selected.value;
  const following = selected.seq === undefined;
  const detail = following ? newest.detail.value : look.detail.value;
  const devices = source.summary.value?.devices ?? [];
  const request = detail?.request;
  const rings = live?.queueView.value;
  const view = rings?.device === request?.device && rings?.index === request?.queue ? rings : undefined;
  const steps = detail && storyOf(detail, { devices, view });
  const kind = (name: string | undefined) => devices.find((device) => device.name === name)?.kind;
  return (
    <section
      class="story"
      aria-label="One request"
      data-kind={kind(request?.device ?? selected.device)}
      onPointerEnter={() => (newest.held.value = true)}
      onPointerLeave={() => (newest.held.value = false)}
    >
      <h3 class="panel-title">{following ? "The newest request" : "The selected request"}</h3>
      {steps && request ? (
        <>
          <p class="story-of">
            <span class="story-device">{request.device}</span> queue {request.queue}, chain{" "}
            <span class="chain-name" data-chain={colourOf(request.head)}>
              {request.head}
            </span>
          </p>
          {/* Another request: it is drawn anew. */}
          <ol class="story-steps" key={request.id} data-chain={colourOf(request.head)}>
            {steps.map((step) => (
              <Step
                key={step.key}
                step={step}
                selected={selected.seq}
                onSelect={(seq) => model.chooseEvent(seq)}
              />
            ))}
          </ol>
        </>
      ) : (
        <p class="story-none">
          {following
            ? newest.none.value && whyNone(selected, live && kind(selected.device))
            : "This crossing belongs to no request: it sets the device up, or asks for its state."}
        </p>
      )}
    </section>
  );
}

const NO_BYTES = { descriptors: "nothing for the device to read", used: "no bytes written" };

interface StepProps {
  step: StoryStep;
  selected: number | undefined;
  onSelect: (seq: number) => void;
}

function Step({ step, selected, onSelect }: StepProps) {
  const { key, name, way, seq, since, says, place, buffers, bytes } = step;
  const hidden = buffers.length - BUFFERS;
  const shown = hidden > 0 ? buffers.slice(0, BUFFERS - 1) : buffers;
  return (
    <li class="story-step" data-step={key} data-way={way} data-missing={seq === undefined}>
      <p class="story-words">
        <button
          type="button"
          class="story-name"
          disabled={seq === undefined}
          aria-current={seq !== undefined && seq === selected && key !== "descriptors"}
          onClick={() => seq !== undefined && onSelect(seq)}
        >
          {name}
        </button>{" "}
        <span class="story-says" title={says}>
          {says}
        </span>
        <span class="story-since">{since === undefined ? "" : `+ ${formatDuration(since)}`}</span>
      </p>
      {key === "descriptors" && (
        <ul class="story-buffers">
          {shown.map(({ address, length, writable }, at) => (
            <li key={at}>
              <span>{formatAddress(address)}</span>
              <span class="story-length">{length.toLocaleString("en")} B</span>
              <span class="story-for">{writable ? "device writes" : "device reads"}</span>
            </li>
          ))}
          {hidden > 0 && <li>and {hidden + 1} more</li>}
        </ul>
      )}
      {key === "used" && <p class="story-place">{place}</p>}
      {(key === "descriptors" || key === "used") && (
        <p class="story-bytes">
          {bytes ? (
            <>
              <span>{hex(bytes.subarray(0, 8))}</span> <span>{hex(bytes.subarray(8))}</span>
            </>
          ) : (
            <span class="story-for">{seq !== undefined && NO_BYTES[key]}</span>
          )}
        </p>
      )}
      {way !== "guest" && way !== "device" && <span class="story-arrow" aria-hidden="true" />}
    </li>
  );
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** What to do so that there is one, by the kind of device. */
const TRY: Readonly<Record<string, string>> = {
  blk: "Read a file in the guest, or wait until it writes.",
  net: "Send something in the guest, with ping for example.",
  console: "Press a key in the terminal.",
  rng: "In the guest, “head -c 16 /dev/hwrng | hexdump” asks for some bytes.",
};

/** @param kind undefined: nothing can be done about it */
function whyNone({ device, queue = 0 }: Selected, kind: string | undefined): string {
  if (device === undefined) return "There is no device yet.";
  return `No request of ${device}, queue ${queue}, has passed lately. ${TRY[kind ?? ""] ?? ""}`;
}
