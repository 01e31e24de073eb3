import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { tokenColour } from "../chart-colours.ts";

export interface ChartProps {
  /** What it shows, for those who do not see it. */
  label: string;
  /** CSS pixels; the width is that of where it stands. */
  height: number;
  /** When this changes, the chart is made anew with `options`. */
  shape: string;
  options: () => Omit<uPlot.Options, "width" | "height">;
  data: readonly (readonly number[])[];
}

/** A chart whose data change often: the canvas is drawn again, nothing else of the page is. */
export function Chart({ label, height, shape, options, data }: ChartProps) {
  const root = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    const place = root.current!;
    const plot = new uPlot({ ...options(), width: place.clientWidth || 300, height }, aligned(data), place);
    chart.current = plot;
    const resized = new ResizeObserver(() => {
      if (place.clientWidth > 0 && place.clientWidth !== plot.width)
        plot.setSize({ width: place.clientWidth, height });
    });
    resized.observe(place);
    const themed = new MutationObserver(() => plot.redraw(false, true));
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      resized.disconnect();
      themed.disconnect();
      plot.destroy();
      chart.current = undefined;
    };
  }, [shape, height]);
  useEffect(() => chart.current?.setData(aligned(data)), [data]);
  // Height as an attribute of style: what is below stays where it is while the chart is made.
  return <div class="chart" ref={root} role="img" aria-label={label} style={{ height: `${height}px` }} />;
}

/** An axis as quiet as the page's own lines. */
export function quietAxis(values: (value: number) => string, more: Partial<uPlot.Axis> = {}): uPlot.Axis {
  return {
    stroke: () => tokenColour("ink-soft"),
    grid: { stroke: () => tokenColour("line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
    gap: 4,
    values: (_, splits) => splits.map(values),
    ...more,
  };
}

function aligned(data: readonly (readonly number[])[]): uPlot.AlignedData {
  return data as unknown as uPlot.AlignedData;
}
