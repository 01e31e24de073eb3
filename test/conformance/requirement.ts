/** One thing that virtio 1.3 demands of a device. */
export interface Requirement {
  /** What the device must or must not do, in our words. */
  must: string;
  /** Tests that fail when it does not; or, for what does not apply, tests that show why. */
  tests?: readonly TestName[];
  /** Why it does not apply to our devices. */
  notApplicable?: string;
}

/** A test by its file, from the repository's root, and its exact title. */
export interface TestName {
  file: string;
  title: string;
}

/** The demands of one section, each under a name that stays the same for good. */
export interface Section {
  /** Number in virtio 1.3, to the exact subsection. */
  number: string;
  title: string;
  rows: Readonly<Record<string, Requirement>>;
}

export interface Chapter {
  title: string;
  sections: readonly Section[];
}

/** Names tests of one file of test/unit. */
export function from(name: string): (...titles: string[]) => TestName[] {
  const file = `test/unit/${name}.test.ts`;
  return (...titles) => titles.map((title) => ({ file, title }));
}

/** The titles of a test that is made once for each transport. */
export function onBoth(title: string): string[] {
  return [`${title} (pci)`, `${title} (mmio)`];
}
