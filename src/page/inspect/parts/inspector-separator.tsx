import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import {
  keepSizes,
  LARGEST,
  type PaneSizes,
  readSizes,
  sizeByKey,
  sizeByPointer,
  SMALLEST,
} from "../pane-size.ts";

/** From this width on the inspector is beside the terminal; the style sheets have the same. */
const BESIDE = "(min-width: 1100px)";

/** Between terminal and inspector: dragged, or moved with the arrow keys. */
export function InspectorSeparator() {
  const [sizes, setSizes] = useState(readSizes);
  const way = useWay();
  const size = sizes[way];
  const resize = (to: number): void => {
    const next = { ...sizes, [way]: to };
    setSizes(next);
    keepSizes(next);
  };
  useLayoutEffect(() => {
    const { style } = document.documentElement;
    style.setProperty("--inspector-beside", `${sizes.beside}%`);
    style.setProperty("--inspector-below", `${sizes.below}%`);
  }, [sizes]);
  return (
    <div
      class="inspector-separator"
      role="separator"
      tabIndex={0}
      aria-label="Size of the inspector"
      aria-controls="inspector"
      aria-orientation={way === "beside" ? "vertical" : "horizontal"}
      aria-valuemin={SMALLEST}
      aria-valuemax={LARGEST}
      aria-valuenow={size}
      aria-valuetext={`${size} % of the window`}
      onKeyDown={(event) => {
        const to = sizeByKey(event.key, size, way);
        if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        resize(to);
      }}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        resize(
          way === "beside"
            ? sizeByPointer(event.clientX, innerWidth)
            : sizeByPointer(event.clientY, innerHeight),
        );
      }}
    />
  );
}

function useWay(): keyof PaneSizes {
  const [beside, setBeside] = useState(() => matchMedia(BESIDE).matches);
  useEffect(() => {
    const query = matchMedia(BESIDE);
    const changed = () => setBeside(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return beside ? "beside" : "below";
}
