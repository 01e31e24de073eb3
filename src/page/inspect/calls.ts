/** Questions to somebody who may go away without an answer: those that are still open are rejected then. */
export class Calls {
  readonly #open = new Set<(error: Error) => void>();
  #ended: Error | undefined;

  /** The answer, or a rejection when `end` is called before it is there. */
  answer<T>(question: Promise<T>): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#open.add(reject);
      void question.then(resolve, reject).finally(() => this.#open.delete(reject));
    });
  }

  end(error: Error): void {
    this.#ended = error;
    for (const reject of this.#open) reject(error);
    this.#open.clear();
  }
}
