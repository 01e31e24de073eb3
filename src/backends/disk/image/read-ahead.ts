/** Streams that are followed at a time: a guest's readers and its file system. */
const STREAMS = 8;
/** Chunks between two accesses of a strided stream at most. */
const LONGEST_STRIDE = 64;

interface Stream {
  /** The chunks of its last access. */
  first: number;
  last: number;
  /** Chunks from one access to the next, where they are no neighbours; 0 where they are, or after the first access. */
  stride: number;
  /** Accesses that went by it. */
  run: number;
  /** Accesses ahead of the last one that were proposed. */
  window: number;
}

/**
 * Which chunks will be asked for next? A stream is a row of accesses, each at the last one's end or all at one distance. It
 * earns its window: neighbours get one access ahead at once, a distance is believed when it was seen twice, and from then on
 * the window doubles with each access that was foreseen. Random accesses belong to no stream and cost nothing.
 */
export class ReadAhead {
  /** The one that was touched last stands last. */
  #streams: Stream[] = [];
  /** Chunks. */
  readonly #most: number;

  /** @param most chunks that are proposed at a time at most */
  constructor(most: number) {
    this.#most = most;
  }

  /** Notes an access to the chunks `first` to `last`; returns those to be fetched ahead, nearest first. */
  note(first: number, last: number): number[] {
    const known = this.#streams.findLast((stream) => covers(stream, first, last));
    if (known) return this.#touched(known, []);

    const next = this.#streams.findLast((stream) => isNeighbour(stream, first, last));
    if (next) return this.#follow(next, first, last, next.stride === 0 ? next.run + 1 : 1, 0);

    const foreseen = this.#streams.findLast((stream) => isStep(stream, first));
    if (foreseen) return this.#follow(foreseen, first, last, foreseen.run + 1, foreseen.stride);

    const near = this.#nearest(first);
    if (near) return this.#follow(near, first, last, 1, first - near.first);

    if (this.#streams.length === STREAMS) this.#streams.shift();
    this.#streams.push({ first, last, stride: 0, run: 0, window: 0 });
    return [];
  }

  /** One that has not proved its stride, so that it may have another one. */
  #nearest(first: number): Stream | undefined {
    let nearest: Stream | undefined;
    let distance = LONGEST_STRIDE + 1;
    for (const stream of this.#streams) {
      const away = Math.abs(first - stream.first);
      if (stream.run < 2 && away < distance) [nearest, distance] = [stream, away];
    }
    return nearest;
  }

  #follow(stream: Stream, first: number, last: number, run: number, stride: number): number[] {
    if (run === 1) stream.window = 0;
    Object.assign(stream, { first, last, run, stride });
    if (stride !== 0 && run < 2) return this.#touched(stream, []);
    const span = last - first + 1;
    stream.window = Math.min(Math.max(1, stream.window * 2), Math.max(1, Math.floor(this.#most / span)));
    const chunks: number[] = [];
    for (let step = 1; step <= stream.window; step++) {
      const begin = first + step * (stride === 0 ? span : stride);
      for (let chunk = begin; chunk < begin + span; chunk++) chunks.push(chunk);
    }
    return this.#touched(stream, chunks.slice(0, this.#most));
  }

  #touched<T>(stream: Stream, result: T): T {
    this.#streams = this.#streams.filter((other) => other !== stream);
    this.#streams.push(stream);
    return result;
  }
}

/** Whether the stream is there already, or past it: requests under way together come in any order. */
function covers(stream: Stream, first: number, last: number): boolean {
  const late = stream.stride === 0 && stream.run >= 2 ? stream.window : 0;
  return first >= stream.first - late && last <= stream.last;
}

/** Whether the access goes on where the stream ended, or at what was foreseen behind it. */
function isNeighbour({ stride, run, window, last: end }: Stream, first: number, last: number): boolean {
  const reach = stride === 0 && run >= 2 ? Math.max(1, window) : 1;
  return first >= end && first <= end + reach && last > end;
}

function isStep({ first: from, stride, window }: Stream, first: number): boolean {
  const steps = (first - from) / stride;
  return stride !== 0 && Number.isInteger(steps) && steps >= 1 && steps <= Math.max(1, window);
}
