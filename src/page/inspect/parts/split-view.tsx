import { useEffect, useMemo } from "preact/hooks";
import type { InspectorDesk } from "../desk.ts";
import { SplitModel } from "../split-model.ts";
import { SplitDevices } from "./split-devices.tsx";
import { SplitGuest } from "./split-guest.tsx";
import { SplitLine } from "./split-line.tsx";
import { useLive } from "./use-live.ts";

/** The guest on one side, the hypervisor on the other, and between them the line with all that crosses it. */
export function SplitView({ desk }: { desk: InspectorDesk }) {
  const source = desk.source.value;
  const model = useMemo(() => new SplitModel(source), [source]);
  useEffect(() => () => model.dispose(), [model]);
  const live = useLive(desk);
  return (
    <div class="split">
      <section class="split-guest" aria-label="Guest">
        <header class="split-side">
          <h2>Guest</h2>
          <p>Linux, its drivers and its memory. The rings are in that memory.</p>
        </header>
        <SplitGuest model={model} live={live} />
      </section>
      <section class="split-line" aria-label="The line">
        <header class="split-side">
          <h2>The line</h2>
          <p>All that passes between the two: register accesses, kicks, interrupts.</p>
        </header>
        <SplitLine model={model} live={live} />
      </section>
      <section class="split-devices" aria-label="Hypervisor">
        <header class="split-side">
          <h2>Hypervisor</h2>
          <p>The devices, and what stands behind each of them.</p>
        </header>
        <SplitDevices model={model} live={live} />
      </section>
    </div>
  );
}
