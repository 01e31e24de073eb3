import type { QueueView } from "../../../inspect/api.ts";

/** What is wrong with a queue as it lies in memory, in sentences; a driver may have written anything there. */
export function faultsOf(view: QueueView): string[] {
  const faults: string[] = [];
  if (view.layout === "split") {
    const { available, size } = view;
    const ahead = (available.idx - available.next) & 0xffff;
    if (ahead > size)
      faults.push(
        `The driver's index is ${ahead} entries ahead of the device's in a ring of ${size}: which chains wait, nobody can know.`,
      );
  }
  const broken = view.chains.filter(({ fault }) => fault !== undefined);
  const [first] = broken;
  if (first)
    faults.push(
      broken.length === 1
        ? `Chain ${first.head} is broken: ${first.fault}`
        : `${broken.length} chains are broken. Chain ${first.head}: ${first.fault}`,
    );
  return faults;
}
