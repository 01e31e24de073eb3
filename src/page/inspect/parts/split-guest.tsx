import type { Inspection } from "../model.ts";
import { chainPlaces } from "../chain-places.ts";
import { chainOfEvent, chainOfView } from "../chain-shown.ts";
import { chainWith, layoutOf } from "../rings/layout.ts";
import type { SplitModel } from "../split-model.ts";
import { ChainPanel } from "./chain-panel.tsx";
import { PlaceChoice } from "./place-choice.tsx";
import { RingsChains } from "./rings-chains.tsx";
import { RingsDrawing } from "./rings-drawing.tsx";
import { RingsEntries } from "./rings-entries.tsx";

/** The guest's side: the rings of a queue as they are in its memory, and a chain with its buffers. */
export function SplitGuest({ model, live }: { model: SplitModel; live: Inspection | undefined }) {
  const { device, queue = 0 } = model.source.selected.value;
  const devices = model.source.summary.value?.devices ?? [];
  const traced = devices.find(({ name }) => name === device);
  const rings = live?.queueView.value;
  const view = rings?.device === device && rings?.index === queue ? rings : undefined;
  const layout = view && layoutOf(view);
  const choose = (head: number | undefined) => model.chooseChain(head);
  const placeOf = chainPlaces(model.source, live);
  const detail = model.look.detail.value;
  const chain =
    (detail && chainOfEvent(detail, placeOf)) ??
    (device === undefined
      ? undefined
      : chainOfView(chainWith(view, model.chain.value), placeOf(device, queue)));
  return (
    <div class="guest" data-kind={traced?.kind}>
      <PlaceChoice
        devices={devices}
        device={device}
        queue={queue}
        onChoose={(name, index) => model.choose(name, index)}
      />
      {view && layout ? (
        <>
          <RingsDrawing view={view} rings={layout} chain={model.chain.value} onChain={choose} />
          <RingsChains view={view} chain={model.chain.value} onChain={choose} />
        </>
      ) : (
        <Without live={live} device={device} queue={queue} />
      )}
      <ChainPanel chain={chain} live={live} />
      {view && layout && <RingsEntries view={view} rings={layout} />}
    </div>
  );
}

interface WithoutProps {
  live: Inspection | undefined;
  device: string | undefined;
  queue: number;
}

/** In the rings' place: why there are none, or, for a moment, nothing. */
function Without({ live, device, queue }: WithoutProps) {
  const views = live?.live.value && device !== undefined ? live.deviceViews.value : undefined;
  const enabled = views?.find(({ name }) => name === device)?.queues[queue]?.enabled;
  if (enabled || views?.length === 0) return <div class="rings-pending" />;
  return <p class="rings-none">{why(live, device, queue)}</p>;
}

function why(live: Inspection | undefined, device: string | undefined, queue: number): string {
  if (!live)
    return "This is a recording: what the rings held is not in it. Each chain that the device took is; select an event.";
  if (!live.live.value) return "There is no machine whose rings could be read.";
  if (device === undefined) return "The machine has no device.";
  const { value: views } = live.deviceViews;
  if (views.length > 0 && !views.some(({ name }) => name === device))
    return `${device} was detached: its rings are the guest's memory again.`;
  return `Queue ${queue} of ${device} is not enabled: no driver has set it up.`;
}
