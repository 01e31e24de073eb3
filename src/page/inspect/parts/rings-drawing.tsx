import { useState } from "preact/hooks";
import type { QueueView } from "../../../inspect/api.ts";
import { entryWords, ringWords } from "../rings/entry-words.ts";
import {
  annulus,
  BANDS,
  entryAt,
  HALF,
  link,
  markAt,
  numbered,
  sectors,
  separators,
  triangle,
} from "../rings/geometry.ts";
import { chainWith, colourOf, type Mark, type RingLayout, type Run } from "../rings/layout.ts";
import { RingsLegend } from "./rings-legend.tsx";

export interface DrawingProps {
  view: QueueView;
  rings: readonly RingLayout[];
  /** Head of the one that is selected. */
  chain: number | undefined;
  onChain: (head: number | undefined) => void;
}

interface Place {
  ring: number;
  at: number;
}

/** The rings, the outermost first. Arrow keys move over the entries, Enter selects the chain of one. */
export function RingsDrawing({ view, rings, chain, onChain }: DrawingProps) {
  const [place, setPlace] = useState<Place | undefined>(undefined);
  const { size } = view;
  const current = place && place.at < size ? place : undefined;
  const ring = rings[current?.ring ?? 0]!;
  const words = current ? entryWords(view, ring, current.at) : rings.map(ringWords).join(" ");
  const select = (where: Place | undefined) => {
    const owner = where && rings[where.ring]?.owners[where.at];
    onChain(owner === undefined || owner < 0 || owner === chain ? undefined : owner);
  };
  const move = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const from = current ?? { ring: 0, at: 0 };
    if (event.key === "Enter" || event.key === " ") select(from);
    else {
      const to = moved(event.key, from, size, rings.length);
      if (!to) return;
      setPlace(to);
    }
    event.preventDefault();
  };
  return (
    <figure class="rings">
      <svg
        class="rings-drawing"
        viewBox={`${-HALF} ${-HALF} ${2 * HALF} ${2 * HALF}`}
        role="slider"
        tabIndex={0}
        aria-label={`Rings of queue ${view.index}, ${view.name}: entry`}
        aria-valuemin={0}
        aria-valuemax={size - 1}
        aria-valuenow={current?.at ?? 0}
        aria-valuetext={words}
        onKeyDown={move}
        onPointerMove={(event) => setPlace(placeOf(event, size, rings.length))}
        onPointerLeave={() => setPlace(undefined)}
        onBlur={() => setPlace(undefined)}
        onClick={(event) => select(placeOf(event, size, rings.length))}
      >
        {rings.map((one, at) => (
          <Ring key={one.id} ring={one} band={at} chain={chain} />
        ))}
        {chain !== undefined && <Links view={view} rings={rings} chain={chain} />}
        {current && (
          <path
            class="ring-cursor"
            d={sectors([{ from: current.at, count: 1, state: "free", chain: undefined }], size, {
              inner: BANDS[current.ring]!.inner - 3,
              outer: BANDS[current.ring]!.outer + 3,
            })}
          />
        )}
        <Numbers size={size} />
        <Middle view={view} />
      </svg>
      <figcaption class="rings-caption">
        {current ? words : <RingsLegend view={view} rings={rings} />}
      </figcaption>
    </figure>
  );
}

function Ring({ ring, band, chain }: { ring: RingLayout; band: number; chain: number | undefined }) {
  const { size, runs, marks } = ring;
  const where = BANDS[band]!;
  return (
    <g class="ring">
      <path class="ring-ground" d={annulus(where)} />
      {[...lookAlikes(runs, chain)].map(([look, alike]) => {
        const [state, colour, part] = look.split(" ");
        return (
          <path
            key={look}
            class="ring-run"
            data-state={state}
            data-chain={colour}
            data-part={part}
            d={sectors(alike, size, state === "waiting" ? { ...where, outer: where.outer - 8 } : where)}
          />
        );
      })}
      <path class="ring-separators" d={separators(size, where)} />
      {marks.map((mark) => (
        <MarkSign key={`${mark.who} ${mark.means}`} mark={mark} size={size} band={band} />
      ))}
    </g>
  );
}

/** A triangle at the entry, with its number: the driver's outside, the device's inside. */
function MarkSign({ mark, size, band }: { mark: Mark; size: number; band: number }) {
  const { who, at } = mark;
  const outside = who === "driver";
  const [x, y] = markAt(at, size, BANDS[band]!, outside);
  return (
    <g class="ring-sign" data-who={who}>
      <path class="ring-mark" d={triangle(at, size, BANDS[band]!, outside)} />
      <text class="ring-index" x={x.toFixed(1)} y={y.toFixed(1)}>
        {at}
      </text>
    </g>
  );
}

/** The numbers of some entries, around the outermost ring. */
function Numbers({ size }: { size: number }) {
  return (
    <g class="ring-numbers" aria-hidden="true">
      {numbered(size).map(({ at, x, y }) => (
        <text key={at} x={x.toFixed(1)} y={y.toFixed(1)}>
          {at}
        </text>
      ))}
    </g>
  );
}

/** One path for all that look the same: a queue of 1,024 chains is not 3,000 elements. */
function lookAlikes(runs: readonly Run[], chain: number | undefined): Map<string, Run[]> {
  const looks = new Map<string, Run[]>();
  for (const run of runs) {
    const colour = run.chain === undefined || run.chain < 0 ? "none" : colourOf(run.chain);
    // Used elements are of chains that are gone; a later one may have the same head.
    const mine = run.state === "used" ? "plain" : "selected";
    const part = chain === undefined ? "plain" : run.chain === chain ? mine : "dimmed";
    const look = `${run.state} ${colour} ${part}`;
    const alike = looks.get(look);
    if (alike) alike.push(run);
    else looks.set(look, [run]);
  }
  return looks;
}

/** From the available ring to the head, and on along the chain. */
function Links({ view, rings, chain }: { view: QueueView; rings: readonly RingLayout[]; chain: number }) {
  const places = chainWith(view, chain)?.descriptors.filter((at) => at < view.size) ?? [];
  const offered = view.layout === "split" ? (rings[1]?.owners.indexOf(chain) ?? -1) : -1;
  const [table, available] = [BANDS[0]!, BANDS[1]!];
  const paths = places
    .slice(1)
    .map((at, before) => link({ at: places[before]!, band: table }, { at, band: table }, view.size));
  if (offered >= 0 && places.length > 0)
    paths.unshift(link({ at: offered, band: available }, { at: places[0]!, band: table }, view.size));
  return <path class="ring-links" data-chain={colourOf(chain)} d={paths.join("")} />;
}

function Middle({ view }: { view: QueueView }) {
  const lines =
    view.layout === "split"
      ? [`avail ${view.available.idx}`, `used ${view.used.idx}`]
      : [`wrap avail ${view.nextAvailable.wrap ? 1 : 0}`, `wrap used ${view.nextUsed.wrap ? 1 : 0}`];
  return (
    <text class="ring-middle" aria-hidden="true">
      {lines.map((line, at) => (
        <tspan key={at} x="0" y={-5 + 18 * at}>
          {line}
        </tspan>
      ))}
    </text>
  );
}

function moved(key: string, { ring, at }: Place, size: number, rings: number): Place | undefined {
  switch (key) {
    case "ArrowRight":
      return { ring, at: (at + 1) % size };
    case "ArrowLeft":
      return { ring, at: (at + size - 1) % size };
    case "ArrowDown":
      return { ring: Math.min(rings - 1, ring + 1), at };
    case "ArrowUp":
      return { ring: Math.max(0, ring - 1), at };
    case "Home":
      return { ring, at: 0 };
    case "End":
      return { ring, at: size - 1 };
    default:
      return undefined;
  }
}

function placeOf(event: MouseEvent, size: number, rings: number): Place | undefined {
  const box = (event.currentTarget as SVGElement).getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * 2 * HALF - HALF;
  const y = ((event.clientY - box.top) / box.height) * 2 * HALF - HALF;
  const found = entryAt(x, y, size);
  return found && found.band < rings ? { ring: found.band, at: found.at } : undefined;
}
