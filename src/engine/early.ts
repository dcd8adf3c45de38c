/**
 * Something that is opened before it is needed, since opening it takes a while; a scope, which closes what nobody took.
 * A failure to open is told to whoever takes it.
 */
export class Early<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #open: () => Promise<T>;
  #opening: Promise<T> | undefined;

  constructor(open: () => Promise<T>) {
    this.#open = open;
    this.#begin();
  }

  /** Resolves when it is open, or failed. */
  async settled(): Promise<void> {
    await this.#opening?.catch(() => undefined);
  }

  /** Closes it and opens it anew. */
  async renew(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.#begin();
  }

  /** Whoever takes it closes it. */
  async take(): Promise<T> {
    const opening = this.#opening ?? this.#open();
    this.#opening = undefined;
    return await opening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    await opened?.[Symbol.asyncDispose]();
  }

  #begin(): void {
    this.#opening = this.#open();
    this.#opening.catch(() => undefined);
  }
}
