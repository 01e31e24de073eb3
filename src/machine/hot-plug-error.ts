/** A disk that could not be attached or detached; the message is for the person. */
export class HotPlugError extends Error {
  override readonly name = "HotPlugError";
  /** The guest uses the disk: `force` would detach it all the same. */
  readonly inUse: boolean;

  constructor(message: string, { inUse = false } = {}) {
    super(message);
    this.inUse = inUse;
  }
}

/** The guest that was asked is gone, and another one has the disk. */
export function anotherGuest(id: string): HotPlugError {
  return new HotPlugError(`The guest was started anew meanwhile: the disk "${id}" is still attached.`);
}
