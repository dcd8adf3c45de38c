import type { Overview } from "../engine/overview.ts";

/** The status is worked out anew after each job, and so often besides. */
const overviewEveryMs = 15 * 60_000;

/** What was last read of the repository: it is read once, whoever asks meanwhile. */
export class KnownOverview {
  readonly #read: (nowMs: number) => Promise<Overview>;
  #known: { readonly value: Overview; readonly atMs: number } | undefined;
  #reading: Promise<Overview> | undefined;

  constructor(read: (nowMs: number) => Promise<Overview>) {
    this.#read = read;
  }

  async get(nowMs: number): Promise<Overview> {
    const known = this.#known;
    if (known && nowMs - known.atMs < overviewEveryMs && nowMs >= known.atMs) return known.value;
    const reading = (this.#reading ??= this.#read(nowMs));
    try {
      const value = await reading;
      if (this.#reading === reading) this.#known = { value, atMs: nowMs };
      return value;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  /** What is being read may lack what was written since, too. */
  forget(): void {
    this.#known = undefined;
    this.#reading = undefined;
  }
}
