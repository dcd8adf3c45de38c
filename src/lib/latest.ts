/** The latest of what a process notes for its own use: of all of it, one that runs for a year would need ever more memory. */
export class Latest<Value> {
  readonly #notes = new Map<string, Value>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): Value | undefined {
    return this.#notes.get(key);
  }

  set(key: string, value: Value): void {
    this.#notes.delete(key);
    this.#notes.set(key, value);
    if (this.#notes.size <= this.#most) return;
    for (const [oldest] of this.#notes) {
      this.#notes.delete(oldest);
      return;
    }
  }
}
