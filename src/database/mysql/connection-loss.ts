/**
 * That a connection is lost or cut, told to whoever waits for an answer on it just then. Not as a promise that each answer is awaited
 * beside: that would keep a trace of every answer until the connection ends, which may be after months.
 */
export class ConnectionLoss {
  readonly #waiting = new Set<(error: unknown) => void>();
  #lost: { readonly error: unknown } | undefined;

  /** What comes after the first says nothing more. */
  tell(error: unknown): void {
    if (this.#lost) return;
    this.#lost = { error };
    for (const fail of this.#waiting) fail(error);
    this.#waiting.clear();
  }

  /** Calls `fail` when it is lost, at once where it is already; a scope. */
  watch(fail: (error: unknown) => void): Disposable {
    if (this.#lost) fail(this.#lost.error);
    else this.#waiting.add(fail);
    return { [Symbol.dispose]: () => void this.#waiting.delete(fail) };
  }

  /** The answer, unless the connection is lost before. */
  async answer<T>(answer: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    using _watch = this.watch(reject);
    return await Promise.race([answer, promise]);
  }
}
